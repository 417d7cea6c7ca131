"""Packages of rpm's database in SQLite; other databases and damaged ones are findings."""

import pytest

from pratique.release.packages import kind_of, read_facts
from support.made_images import rpm_database, rpm_header

PATH = "/usr/lib/sysimage/rpm/rpmdb.sqlite"


def read(content, path=PATH):
    assert kind_of(path) == "rpm"
    return read_facts("rpm", path, content)


def test_packages_and_their_files():
    found = read(rpm_database(
        rpm_header("bash", "5.2.26", "3.fc40", files=["/usr/bin/bash", "/etc/bashrc"]),
        rpm_header("shadow-utils", "4.15.1", "2.fc40", epoch=2, arch="aarch64"),
    ))  # fmt: skip
    assert found.unread == ()
    assert [(one.name, one.version, one.architecture) for one in found.packages] == [
        ("bash", "5.2.26-3.fc40", "x86_64"),
        ("shadow-utils", "2:4.15.1-2.fc40", "aarch64"),
    ]
    assert set(dict(found.owned)["bash"]) == {hash("/usr/bin/bash"), hash("/etc/bashrc")}


def test_a_database_that_logs_ahead_is_read_too():
    content = bytearray(rpm_database(rpm_header("a", "1", "1")))
    content[18:20] = b"\x02\x02"
    assert [one.name for one in read(bytes(content)).packages] == ["a"]


@pytest.mark.parametrize(("path", "word"), [
    ("/var/lib/rpm/Packages", "Berkeley DB"),
    ("/usr/lib/sysimage/rpm/Packages.db", "ndb"),
    ("/var/lib/rpm/rpmdb.sqlite-wal", "write-ahead log"),
])  # fmt: skip
def test_another_database_is_a_finding(path, word):
    ((kind, reason),) = read(b"x" * 100, path).unread
    assert kind == "rpm"
    assert word in reason


@pytest.mark.parametrize("content", [
    b"", b"SQLite format 3\0" + b"\0" * 100, b"x" * 5000, rpm_database(b""), rpm_database(b"\xff" * 40),
    rpm_database(rpm_header("a", "1", "1")[:30]), rpm_database(rpm_header("a", "1", "1"))[:3000],
])  # fmt: skip
def test_a_damaged_database_is_a_finding(content):
    found = read(content)
    assert found.unread
    assert found.packages == ()


def test_a_view_in_place_of_the_table_is_not_run():
    import sqlite3  # noqa: PLC0415

    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIEW Packages AS WITH RECURSIVE x(blob) AS (SELECT 1 UNION ALL SELECT 1 FROM x) SELECT blob FROM x"
    )
    assert "no table of packages" in read(connection.serialize()).unread[0][1]


def test_values_that_a_table_computes_are_bounded():
    import sqlite3  # noqa: PLC0415

    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE Packages (n INTEGER, blob BLOB GENERATED ALWAYS AS (zeroblob(1000000000)))")
    connection.execute("INSERT INTO Packages (n) VALUES (1)")
    connection.commit()
    assert read(connection.serialize()).unread

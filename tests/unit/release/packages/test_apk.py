"""Alpine's packages and their files."""

from pratique.release.packages import kind_of, read_facts

INSTALLED = """C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
F:usr/lib
R:x.so

P:busybox
V:1.36.1-r29
A:x86_64
F:
R:top
"""


def test_packages_and_their_files():
    assert kind_of("/lib/apk/db/installed") == "apk"
    found = read_facts("apk", "/lib/apk/db/installed", INSTALLED.encode())
    assert [(one.name, one.version, one.architecture) for one in found.packages] == [
        ("musl", "1.2.5-r0", "x86_64"),
        ("busybox", "1.36.1-r29", "x86_64"),
    ]
    owned = dict(found.owned)
    assert {hash("/lib/ld-musl-x86_64.so.1"), hash("/usr/lib/x.so")} == set(owned["musl"])
    assert {hash("/top")} == set(owned["busybox"])


def test_an_empty_database_has_no_packages():
    assert read_facts("apk", "/lib/apk/db/installed", b"").packages == ()

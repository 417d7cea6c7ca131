"""Java: versions of archives in the order of what tells them, archives in archives, and hostile ones."""

import io
import zipfile

import pytest

from pratique.release.packages import java, kind_of, read_facts
from support.made_images import jar


def read(content, path="/app/x.jar"):
    assert kind_of(path) == "maven"
    return read_facts("maven", path, content)


def names(found):
    return [(one.kind, one.full_name, one.version) for one in found.packages]


def test_maven_s_file_comes_before_the_manifest():
    content = jar(pom=("org.a", "lib", "1.2"), manifest={"Implementation-Version": "9"})
    assert names(read(content, "/app/lib-7.jar")) == [("maven", "org.a:lib", "1.2")]


@pytest.mark.parametrize(("manifest", "version"), [
    ({"Specification-Version": "1", "Bundle-Version": "2", "Implementation-Version": "3"}, "3"),
    ({"Specification-Version": "1", "Bundle-Version": "2"}, "2"),
    ({"Specification-Version": "1"}, "1"),
    ({}, "4.5.6.Final"),
])  # fmt: skip
def test_the_version_of_an_archive_without_maven_s_file(manifest, version):
    assert names(read(jar(manifest=manifest), "/app/lib-core-4.5.6.Final.jar")) == [("maven", "lib-core", version)]


def test_an_archive_without_a_version_is_compared_by_content():
    one, other = read(jar(a="1")).packages[0], read(jar(a="2")).packages[0]
    assert (one.version, other.version) == ("", "")
    assert one.content != other.content


def test_archives_in_archives():
    inner = jar(pom=("org.a", "inner", "2"))
    content = jar(pom=("org.a", "app", "1"), **{"BOOT-INF/lib/inner-2.jar": inner})
    assert names(read(content, "/app.war")) == [("maven", "org.a:app", "1"), ("maven", "org.a:inner", "2")]


def test_deeper_than_two_is_a_finding():
    content = jar(pom=("g", "d", "1"))
    for _ in range(3):
        content = jar(pom=("g", "d", "1"), **{"x.jar": content})
    found = read(content)
    assert len(found.packages) == 3
    assert "2 deep" in found.unread[0][1]


def test_merged_archives_have_a_package_each():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in "ab":
            archive.writestr(f"META-INF/maven/g/{name}/pom.properties", f"groupId=g\nartifactId={name}\nversion=1\n")
    assert names(read(packed.getvalue())) == [("maven", "g:a", "1"), ("maven", "g:b", "1")]


def test_the_runtime_and_tomcat():
    release = b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_RUNTIME_VERSION="21.0.5+11-LTS"\nJAVA_VERSION="21.0.5"\n'
    assert names(read(release, "/opt/java/openjdk/release")) == [("runtime", "Java", "21.0.5+11")]
    tomcat = jar(**{java.TOMCAT: "server.info=Apache Tomcat/10.1.30\nserver.number=10.1.30.0\n"})
    assert ("runtime", "Tomcat", "10.1.30") in names(read(tomcat, "/usr/local/tomcat/lib/catalina.jar"))
    assert names(read(b"not of Java", "/etc/release")) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04" + b"\0" * 40, b"x" * 1000, jar(a="1")[:-10]],
    ids=["empty", "only a header", "no archive", "cut"],
)
def test_a_damaged_archive_is_a_finding(content):
    assert read(content).unread


def test_a_bomb_is_a_finding(monkeypatch):
    monkeypatch.setattr(java, "MOST_UNPACKED", 1 << 20)
    bomb = jar(pom=("g", "a", "1"), **{"lib/x.jar": "\0" * (8 << 20)})
    found = java.read("/x.jar", bomb)
    assert len(bomb) < 20_000
    assert found.unread


def test_a_size_that_lies_is_not_believed():
    content = jar(manifest={"Implementation-Version": "1" * 3_000_000})
    assert "unpacks to more than" in read(content).unread[0][1]


def test_a_long_list_of_entries_is_not_read_into_memory(monkeypatch):
    monkeypatch.setattr(java, "LARGEST_DIRECTORY", 1000)
    content = jar(**{f"{'n' * 100}{number}": "" for number in range(20)})
    assert "a list of entries of more than" in read(content).unread[0][1]


def test_a_long_name_is_no_slow_search():
    assert read(jar(), f"/{'-1' * 10_000}!.jar").packages

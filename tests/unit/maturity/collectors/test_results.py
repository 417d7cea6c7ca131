"""Results of tests and coverage in their forms, with their own times; bombs, links and huge files are refused."""

import os
from datetime import timedelta

import pytest

from pratique.maturity.collectors import collect
from pratique.maturity.collectors.results import reports_of
from pratique.maturity.load import load_model
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from support.made_repository import NOW, repository

JUNIT = Rule(collector="results.junit")
COVERAGE = Rule(collector="results.coverage")
SUITE = (
    '<testsuite name="unit" timestamp="{time}"><testcase name="a"/><testcase name="b"><skipped/></testcase></testsuite>'
)
BOMB = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + at)} "{f"&{chr(97 + at)};" * 10}">' for at in range(10)
) + "]><testsuite name='x'><testcase name='&k;'/></testsuite>"  # fmt: skip
OUTSIDE = '<!DOCTYPE testsuite [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite name="&x;"><testcase name="a"/></testsuite>'


def reviewed(tmp_path, files, *, tracked=None, age_days=0):
    repository(tmp_path, tracked or {"a": "a"})
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        then = (NOW - timedelta(days=age_days)).timestamp()
        os.utime(path, (then, then))
    return Sources(load_model(), NOW, folder=tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "junit.xml",
        "target/surefire-reports/TEST-a.xml",
        "build/test-results/test/a.xml",
        "test-results.xml",
        "out/pytest.xml",
    ],
)
def test_tests_that_ran_are_counted_without_those_that_were_skipped(tmp_path, name):
    found = collect(reviewed(tmp_path, {name: SUITE.format(time="2026-11-29T10:00:00")}), JUNIT)
    assert (found.state, found.value, found.where) == ("met", 1, (name,))
    assert found.reason == "1 test ran on 2026-11-29"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("coverage.xml", '<coverage timestamp="1795946400" lines-valid="10" lines-covered="4"/>'),
        ("cobertura.xml", '<coverage><packages><package><classes><class><lines><line number="1" hits="2"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>'),
        ("target/site/jacoco/jacoco.xml", '<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="a"><sessioninfo id="s" start="1" dump="1795946400000"/><package name="p"><counter type="LINE" missed="9" covered="9"/></package><counter type="LINE" missed="6" covered="4"/></report>'),
        ("lcov.info", "TN:\nSF:a.js\nLF:10\nLH:4\nend_of_record\n"),
    ],
)  # fmt: skip
def test_coverage_is_read_in_every_form(tmp_path, name, content):
    found = collect(reviewed(tmp_path, {name: content}), COVERAGE)
    assert found.state == "met", found.reason
    assert found.reason.startswith(("40 % of 10 lines covered", "50 % of 2 lines covered"))


def test_old_results_are_unknown(tmp_path):
    found = collect(reviewed(tmp_path, {"junit.xml": SUITE.format(time="2026-10-01T10:00:00")}), JUNIT)
    assert (found.state, found.reason) == (
        "unknown",
        "1 result file: the latest is of 2026-10-01, older than 14 days",
    )
    found = collect(reviewed(tmp_path / "b", {"lcov.info": "LF:1\nLH:1\n"}, age_days=20), COVERAGE)
    assert found.state == "unknown"


def test_a_tracked_file_without_its_own_time_is_as_old_as_anybody_likes(tmp_path):
    content = "<testsuite name='a'><testcase name='a'/></testsuite>"
    found = collect(reviewed(tmp_path, {}, tracked={"junit.xml": content}), JUNIT)
    assert found.state == "unknown"
    assert "have no date" in found.reason


def test_results_without_a_test_are_unknown(tmp_path):
    assert collect(reviewed(tmp_path, {"junit.xml": "<testsuites/>"}), JUNIT).state == "unknown"
    assert "no test that ran" in collect(reviewed(tmp_path / "b", {"junit.xml": "<testsuite name='a'/>"}), JUNIT).reason


def test_a_suite_without_such_a_name_is_unknown(tmp_path):
    found = collect(
        reviewed(tmp_path, {"junit.xml": SUITE.format(time="2026-11-29T10:00:00")}),
        Rule(collector="results.junit", suites="integration"),
    )
    assert (found.state, found.reason) == ("unknown", "none of 1 suites has a name of this kind")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, "refused: EntitiesForbidden"),
        (OUTSIDE, "refused: EntitiesForbidden"),
        ("<testsuite name='a'><testcase", "it is not XML"),
        ("<testsuite>" * 300, "it is not XML: more elements than any result has"),
        (b"\xff\xfe\x00<", "it is not XML"),
        (b"<?xml version='1.0' encoding='nope'?><testsuite/>", "it is not XML"),
        (b"", "it is not XML"),
        (b"<testsuite>" + b" " * (21 << 20), "larger than 20 MiB"),
    ],
    ids=["bomb", "outside", "half", "deep", "bytes", "encoding", "empty", "large"],
)  # fmt: skip
def test_hostile_results_are_unknown_and_say_why(tmp_path, content, problem):
    found = collect(reviewed(tmp_path, {"junit.xml": content}), JUNIT)
    assert found.state == "unknown"
    assert f"junit.xml: {problem}" in found.reason
    assert "root:" not in found.reason


def test_links_pipes_and_other_trees_are_not_read(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "junit.xml").write_text(SUITE.format(time="2026-11-29T10:00:00"))
    sources = reviewed(tmp_path / "in", {"node_modules/a/junit.xml": SUITE.format(time="2026-11-29T10:00:00")})
    (tmp_path / "in/junit.xml").symlink_to(outside / "junit.xml")
    (tmp_path / "in/build").symlink_to(outside)
    os.mkfifo(tmp_path / "in/coverage.xml")
    assert collect(sources, JUNIT).state == "unknown"
    assert {report.path: bool(report.problem) for report in reports_of(sources)} == {
        "coverage.xml": True,
        "junit.xml": True,
    }

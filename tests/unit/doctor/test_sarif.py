"""SARIF 2.1.0, by the rules of the standard that its readers check."""

import json
import re

from pratique.doctor.changes import HostHistory
from pratique.doctor.sarif import examination_sarif
from support.examinations import examination, hostile_look, report
from support.host_facts import NOW, container, look

ACCEPT = {"accepted": [{"check": "writable-root", "reason": "needed", "until": "2999-12-31"}]}


def results_of(*hosts):
    (run,) = examination_sarif(examination(*hosts))["runs"]
    return run, run["results"]


def test_each_finding_is_a_result_of_its_rule():
    run, results = results_of(report(look(containers=[container(HostConfig={"Privileged": True})])))
    (result,) = results
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "privileged"
    assert (result["kind"], result["level"]) == ("fail", "error")
    (location,) = result["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "local/shop"
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "pratique.toml"


def test_what_was_not_looked_at_is_open_and_without_a_level():
    _, results = results_of(report(look(missing={"space": "only root can"})))
    assert [(one["ruleId"], one["kind"], one["level"]) for one in results] == [("disk", "open", "none")]


def test_an_accepted_finding_is_suppressed_and_a_new_one_is_marked():
    history = HostHistory(NOW, "run-1", frozenset())
    _, (result,) = results_of(
        report(look(containers=[container(HostConfig={"ReadonlyRootfs": False})], settings=ACCEPT), history)
    )
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "until 2999-12-31: needed"}
    ]
    _, (result,) = results_of(report(look(containers=[container(HostConfig={"ReadonlyRootfs": False})]), history))
    assert result["baselineState"] == "new"


def test_one_finding_has_one_fingerprint_on_every_run():
    marks = [
        results_of(report(look(containers=[container(HostConfig={"Privileged": True})])))[1][0]["partialFingerprints"]
        for _ in range(2)
    ]
    assert marks[0] == marks[1]


def test_rules_are_as_readers_of_sarif_want_them():
    run, _ = results_of(report(look()))
    for rule in run["tool"]["driver"]["rules"]:
        assert re.fullmatch(r"[A-Za-z]+", rule["name"])
        assert rule["shortDescription"]["text"].endswith(".")
        assert 0 < float(rule["properties"]["security-severity"]) < 10


def test_hostile_texts_are_kept_in_their_strings():
    data = examination_sarif(examination(report(hostile_look())))
    text = json.dumps(data, ensure_ascii=False)
    assert json.loads(text) == data
    assert "hunter2" not in text
    assert not re.search(r"[\x00-\x08\x1b\u202e]", text)

"""Incidents as other programs write them; the samples are shortened answers of their interfaces."""

import pytest

from pratique.incident.incident_sources import fields_of, records_of, value_at

PAGERDUTY = {
    "id": "PT4KHLK",
    "type": "incident",
    "incident_number": 1234,
    "title": "5xx of shop",
    "created_at": "2026-11-20T12:00:00Z",
    "status": "resolved",
    "last_status_change_at": "2026-11-20T12:30:00Z",
    "urgency": "high",
    "priority": {"summary": "P1"},
    "service": {"summary": "Shop"},
}
OPSGENIE = {
    "id": "70413a06",
    "tinyId": "1791",
    "message": "5xx of shop",
    "status": "closed",
    "priority": "P2",
    "createdAt": "2026-11-20T12:05:00.302Z",
    "updatedAt": "2026-11-20T14:00:00.302Z",
    "impactStartDate": "2026-11-20T12:00:00Z",
    "impactEndDate": "2026-11-20T12:30:00Z",
}
ALERT = {
    "status": "resolved",
    "labels": {"alertname": "High5xx", "severity": "critical", "service": "shop"},
    "annotations": {"summary": "5xx of shop"},
    "startsAt": "2026-11-20T12:00:00.123456789Z",
    "endsAt": "2026-11-20T12:30:00Z",
    "fingerprint": "c7a9",
}
GITHUB = {
    "number": 42,
    "title": "5xx of shop",
    "created_at": "2026-11-20T12:10:00Z",
    "closed_at": "2026-11-21T09:00:00Z",
    "labels": [{"name": "incident"}, {"name": "sev1"}, {"name": "cause:r42"}],
}
GITLAB = {
    "iid": 7,
    "title": "5xx of shop",
    "created_at": "2026-11-20T12:10:00Z",
    "closed_at": None,
    "labels": ["incident", "severity::2"],
}


@pytest.mark.parametrize(
    ("record", "preset", "wanted"),
    [
        (
            PAGERDUTY,
            "pagerduty",
            {
                "id": "PT4KHLK",
                "title": "5xx of shop",
                "began": "2026-11-20T12:00:00Z",
                "detected": "2026-11-20T12:00:00Z",
                "restored": "2026-11-20T12:30:00Z",
                "severity": "P1",
            },
        ),
        (
            OPSGENIE,
            "opsgenie",
            {
                "id": "70413a06",
                "title": "5xx of shop",
                "began": "2026-11-20T12:00:00Z",
                "detected": "2026-11-20T12:05:00.302Z",
                "restored": "2026-11-20T12:30:00Z",
                "closed": "2026-11-20T14:00:00.302Z",
                "severity": "P2",
            },
        ),
        (
            ALERT,
            "alertmanager",
            {
                "id": "c7a9 2026-11-20T12:00:00.123456789Z",
                "title": "5xx of shop",
                "began": ALERT["startsAt"],
                "detected": ALERT["startsAt"],
                "restored": "2026-11-20T12:30:00Z",
                "severity": "critical",
                "service": "shop",
            },
        ),
        (
            GITHUB,
            "github",
            {
                "id": 42,
                "title": "5xx of shop",
                "began": "2026-11-20T12:10:00Z",
                "detected": "2026-11-20T12:10:00Z",
                "closed": "2026-11-21T09:00:00Z",
                "severity": "sev1",
                "cause": "r42",
            },
        ),
        (
            GITLAB,
            "gitlab",
            {
                "id": 7,
                "title": "5xx of shop",
                "began": "2026-11-20T12:10:00Z",
                "detected": "2026-11-20T12:10:00Z",
                "severity": "2",
            },
        ),
    ],
    ids=["pagerduty", "opsgenie", "alertmanager", "github", "gitlab"],
)
def test_each_preset_tells_the_fields_and_is_found_by_itself(record, preset, wanted):
    assert fields_of(record, preset) == wanted
    assert fields_of(record, "auto") == wanted


def test_an_incident_that_goes_on_has_no_end():
    triggered = PAGERDUTY | {"status": "triggered"}
    firing = ALERT | {"status": {"state": "active"}, "endsAt": "2026-11-20T12:34:00Z"}
    assert "restored" not in fields_of(triggered, "auto")
    assert "restored" not in fields_of(firing, "auto")


@pytest.mark.parametrize(
    "document",
    [
        [PAGERDUTY],
        {"incidents": [PAGERDUTY], "more": False},
        {"event": {"event_type": "incident.triggered", "data": PAGERDUTY}},
        [{"event": {"data": PAGERDUTY}}],
        {"incident": PAGERDUTY},
        {"data": [PAGERDUTY]},
        PAGERDUTY,
    ],
)
def test_records_are_found_in_lists_answers_and_webhooks(document):
    assert records_of(document) == [PAGERDUTY]


def test_a_path_reads_nested_objects_and_first_elements():
    assert value_at({"a.b": 1}, "a.b") == 1
    assert value_at({"a": [{"b": 2}]}, "a.b") == 2
    assert value_at({"a": []}, "a.b") is None
    assert value_at("text", "a") is None

"""Incidents as other programs tell them: each preset turns a record of one program into the fields of an incident.

Fields: id, title, began, detected, restored, closed, severity, cause; what a program does not tell is left out. An issue that is closed says
that work on it ended, not that users were well again, so it is never `restored`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from pratique.config.service import IncidentPreset

Record = Mapping[str, Any]
PRESETS: tuple[str, ...] = get_args(IncidentPreset)
FIELDS = ("id", "title", "began", "detected", "restored", "closed", "severity", "cause", "service")
_MOST_DEPTH = 8


def value_at(record: Any, path: str) -> Any:
    """Return the value at a path of names with dots between; None where there is none. Of a list the first element counts.

    >>> value_at({"labels": [{"name": "x"}]}, "labels.name")
    'x'
    """
    if isinstance(record, Mapping) and path in record:
        return record[path]
    for name in path.split(".")[:_MOST_DEPTH]:
        record = record[0] if isinstance(record, list) and record else record
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def records_of(document: Any) -> list[Any]:
    """Return the records of a document: a list, the list in the answer of an interface, or the one of a webhook."""
    if isinstance(document, list):
        return [record for one in document for record in (records_of(one) if _is_webhook(one) else [one])]
    for name in ("incidents", "alerts", "issues", "data", "items"):
        held = document.get(name) if isinstance(document, Mapping) else None
        if isinstance(held, list):
            return held
    for path in ("event.data", "issue", "object_attributes", "incident", "data"):
        held = value_at(document, path)
        if isinstance(held, Mapping):
            return [held]
    return [document]


def _is_webhook(document: Any) -> bool:
    return isinstance(document, Mapping) and any(
        name in document for name in ("event", "issue", "object_attributes", "alerts")
    )


def fields_of(record: Record, preset: str) -> dict[str, Any]:
    """Return the fields of an incident. preset: one of PRESETS; auto: by the record's own names."""
    chosen = _likely(record) if preset == "auto" else preset
    found = _PRESETS[chosen](record)
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _likely(record: Record) -> str:
    if "startsAt" in record:
        return "alertmanager"
    if "tinyId" in record:
        return "opsgenie"
    if "incident_number" in record or str(record.get("type", "")).startswith("incident"):
        return "pagerduty"
    if "iid" in record:
        return "gitlab"
    if "number" in record and {"created_at", "createdAt"} & record.keys():
        return "github"
    return "plain"


def _plain(record: Record) -> dict[str, Any]:
    return {name: record.get(name) for name in FIELDS}


def _pagerduty(record: Record) -> dict[str, Any]:
    ended = record.get("status") == "resolved"
    return {
        "id": record.get("id"),
        "title": record.get("title") or record.get("summary"),
        "began": record.get("created_at"),
        "detected": record.get("created_at"),
        "restored": record.get("resolved_at") or (record.get("last_status_change_at") if ended else None),
        "severity": value_at(record, "priority.summary") or record.get("urgency"),
    }


def _opsgenie(record: Record) -> dict[str, Any]:
    closed = str(record.get("status")) in {"closed", "resolved"}
    return {
        "id": record.get("id"),
        "title": record.get("message"),
        "began": record.get("impactStartDate") or record.get("createdAt"),
        "detected": record.get("impactDetectDate") or record.get("createdAt"),
        "restored": record.get("impactEndDate"),
        "closed": record.get("updatedAt") if closed else None,
        "severity": record.get("priority"),
    }


def _alertmanager(record: Record) -> dict[str, Any]:
    status = record.get("status")
    state = status.get("state") if isinstance(status, Mapping) else status
    # the same alert fires again and again, each time with another beginning
    unique = record.get("fingerprint") or value_at(record, "labels.alertname")
    return {
        "id": f"{unique} {record.get('startsAt')}" if unique else None,
        "title": value_at(record, "annotations.summary") or value_at(record, "labels.alertname"),
        "began": record.get("startsAt"),
        "detected": record.get("startsAt"),
        "restored": record.get("endsAt") if state == "resolved" else None,
        "severity": value_at(record, "labels.severity"),
        "service": value_at(record, "labels.service"),
    }


def _issue(record: Record, unique: str) -> dict[str, Any]:
    labels = list(_labels(record))
    return {
        "id": record.get(unique),
        "title": record.get("title"),
        "began": record.get("created_at") or record.get("createdAt"),
        "detected": record.get("created_at") or record.get("createdAt"),
        "closed": record.get("closed_at") or record.get("closedAt"),
        "severity": record.get("severity") or _labelled(labels, "severity") or next(filter(_is_severity, labels), None),
        "cause": _labelled(labels, "cause"),
    }


def _labels(record: Record) -> Iterable[str]:
    held = record.get("labels")
    for label in held if isinstance(held, list) else ():
        name = value_at(label, "name") or value_at(label, "title") if isinstance(label, Mapping) else label
        if isinstance(name, str):
            yield name


def _labelled(labels: Iterable[str], name: str) -> str | None:
    """The rest of a label such as cause:r42 or severity::1."""
    found = (label.partition(":")[2].lstrip(":").strip() for label in labels if label.lower().startswith(f"{name}:"))
    return next(found, None)


def _is_severity(label: str) -> bool:
    return label.lower().startswith(("sev-", "sev0", "sev1", "sev2", "sev3", "sev4", "sev5"))


_PRESETS: dict[str, Callable[[Record], dict[str, Any]]] = {
    "plain": _plain,
    "pagerduty": _pagerduty,
    "opsgenie": _opsgenie,
    "alertmanager": _alertmanager,
    "github": lambda record: _issue(record, "number"),
    "gitlab": lambda record: _issue(record, "iid"),
}

"""The messages of a webhook as changes: plain JSON, deployments of GitHub and GitLab, and applications of Argo CD."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from pratique.clock import stamp, utc_now
from pratique.incident.foreign_change import ForeignChange, foreign_change

MOST_CHANGES = 100
"""Changes in one message."""
AHEAD = timedelta(days=1)
"""How far in the future a change may be: clocks and time zones differ."""
GITHUB_EVENT, GITLAB_EVENT = "x-github-event", "x-gitlab-event"
_STATES = {"success", "failure", "error", "failed", "running"}
"""The states of a deployment that are changes: it begins to work, or has ended."""
Json = Mapping[str, Any]


def changes_of(
    body: bytes, headers: Mapping[str, str], query: str = "", *, now: datetime | None = None
) -> list[ForeignChange]:
    """Return the changes that a message tells; [] for one that tells of none, such as a ping or a deployment that waits.

    headers: by lower-case name. query: of the address; service=NAME, as often as needed, names the services in place of the message.
    now: when the message came first, UTC: the time of a change without one.
    Raises: ValueError with the reason.
    """
    now = now or utc_now()
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        is_form = "form" in headers.get("content-type", "").lower()
        raise ValueError(
            "the body is a form: let the sender use the content type application/json"
            if is_form
            else "the body is not JSON"
        ) from error
    services = _services(query)
    if GITHUB_EVENT in headers:
        found = _github(_object(message), headers[GITHUB_EVENT])
    elif GITLAB_EVENT in headers:
        found = _gitlab(_object(message))
    elif isinstance(message, Mapping) and (
        isinstance(message.get("app"), Mapping) or message.get("kind") == "Application"
    ):
        found = _argo(message.get("app") or message)
    else:
        found = _plain(message, now)
    named = {"services": services} if services else {}
    changes = [foreign_change({**one, **named}, source="webhook") for one in found]
    late = next((change.time for change in changes if change.time > now + AHEAD), None)
    if late is not None:
        raise ValueError(f"the time {stamp(late)} is in the future: check the clock and the time zone of the sender")
    return changes


def _services(query: str) -> list[str]:
    try:
        return parse_qs(query, max_num_fields=MOST_CHANGES).get("service", [])
    except ValueError as error:
        raise ValueError(
            f"the address has more than {MOST_CHANGES} fields: name the services in the message"
        ) from error


def _plain(message: Any, now: datetime) -> list[Json]:
    found = message if isinstance(message, list) else [message]
    if not found or len(found) > MOST_CHANGES:
        raise ValueError(f"a message tells one change, or a list of 1 to {MOST_CHANGES}")
    # without a time it is reported as it happens
    return [{"time": stamp(now), **_object(one)} for one in found]


def _github(message: Json, event: str) -> list[Json]:
    deployment = message.get("deployment")
    if event not in {"deployment", "deployment_status"} or not isinstance(deployment, Mapping):
        return []
    status = message.get("deployment_status") if event == "deployment_status" else None
    state = _text(status, "state") if isinstance(status, Mapping) else ""
    if isinstance(status, Mapping) and state not in _STATES:
        return []
    reported = status if isinstance(status, Mapping) else deployment
    words = [
        _text(deployment, "task") or "deploy",
        _text(deployment, "ref"),
        "to",
        _text(deployment, "environment"),
        state,
    ]
    description = _text(reported, "description") or _text(deployment, "description")
    return [
        {
            "time": reported.get("created_at"),
            "service": _name(_text(message, "repository", "name")),
            "kind": "deployment",
            "revision": _text(deployment, "sha")[:12],
            "who": _text(reported, "creator", "login"),
            "why": _sentence(words, description),
            "source": "github",
            "id": f"{_text(message, 'repository', 'full_name')} {deployment.get('id')} {state}".strip(),
        }
    ]


def _gitlab(message: Json) -> list[Json]:
    state = _text(message, "status")
    if message.get("object_kind") != "deployment" or state not in _STATES:
        return []
    words = ["deploy", _text(message, "ref"), "to", _text(message, "environment"), state]
    return [
        {
            "time": message.get("status_changed_at"),
            "service": _name(_text(message, "project", "name")),
            "kind": "deployment",
            "revision": _text(message, "short_sha"),
            "who": _text(message, "user", "username") or _text(message, "user", "name"),
            "why": _sentence(words, _text(message, "commit_title")),
            "source": "gitlab",
            "id": f"{_text(message, 'project', 'path_with_namespace')} {message.get('deployment_id')} {state}",
        }
    ]


def _argo(app: Any) -> list[Json]:
    state = _object(_object(_object(app).get("status", {})).get("operationState", {}))
    name, phase = _text(app, "metadata", "name"), _text(state, "phase")
    if phase not in {"Running", "Succeeded", "Failed", "Error"}:
        return []
    revision = _text(state, "syncResult", "revision") or _text(app, "status", "sync", "revision")
    return [
        {
            "time": state.get("startedAt" if phase == "Running" else "finishedAt"),
            "service": _name(name),
            "kind": "deployment",
            "revision": revision[:12],
            "who": _text(state, "operation", "initiatedBy", "username"),
            "why": _sentence(["sync of", name, phase.lower()], _text(state, "message")),
            "source": "argo cd",
            "id": f"{name} {_text(state, 'startedAt')} {phase}",
        }
    ]


def _object(value: Any) -> Json:
    if not isinstance(value, Mapping):
        raise ValueError("a change is a JSON object")  # noqa: TRY004 - one error for all
    return value


def _text(value: Any, *path: str) -> str:
    """The text at a path of names; "" where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _name(text: str) -> str:
    """A name as that of a service: without what a service's name cannot have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text[:200]).strip("-._")[:100]


def _sentence(words: Sequence[str], more: str) -> str:
    sentence = " ".join(filter(None, words))
    return f"{sentence}: {more}" if more else sentence

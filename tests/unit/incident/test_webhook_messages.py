"""The messages of webhooks as changes; the samples are those of the senders' documentation, shortened."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.clock import utc_now
from pratique.incident.webhook_messages import MOST_CHANGES, changes_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
GITHUB = {
    "action": "created",
    "deployment": {
        "id": 42,
        "sha": "a10867b14bb761a232cd80139fbd4c0d33264240",
        "ref": "main",
        "task": "deploy",
        "environment": "production",
        "description": None,
        "created_at": "2026-11-20T12:00:00Z",
        "creator": {"login": "anna"},
    },
    "repository": {"name": "shop", "full_name": "acme/shop"},
}
GITHUB_STATUS = GITHUB | {
    "deployment_status": {"state": "success", "created_at": "2026-11-20T12:05:00Z", "creator": {"login": "bot"}}
}
GITLAB = {
    "object_kind": "deployment",
    "status": "success",
    "status_changed_at": "2026-11-20 13:00:00 +0100",
    "deployment_id": 15,
    "environment": "staging",
    "project": {"name": "web shop", "path_with_namespace": "acme/shop"},
    "short_sha": "279484c0",
    "user": {"username": "bert"},
    "commit_title": "Add new file",
    "ref": "main",
}
ARGO = {
    "app": {
        "kind": "Application",
        "metadata": {"name": "shop"},
        "status": {
            "operationState": {
                "phase": "Succeeded",
                "startedAt": "2026-11-20T11:59:00Z",
                "finishedAt": "2026-11-20T12:00:00Z",
                "message": "successfully synced",
                "operation": {"initiatedBy": {"username": "carl"}},
                "syncResult": {"revision": "a10867b14bb761a2"},
            }
        },
    }
}


def read(message, query="", **headers):
    return changes_of(
        json.dumps(message).encode(), {name.replace("_", "-"): value for name, value in headers.items()}, query
    )


def shown(change):
    return change.time, change.services, change.revision, change.who, change.why, change.source


def test_a_deployment_of_github_begins_and_ends():
    (begun,) = read(GITHUB, x_github_event="deployment")
    (ended,) = read(GITHUB_STATUS, x_github_event="deployment_status")
    assert shown(begun) == (NOON, ("shop",), "a10867b14bb7", "anna", "deploy main to production", "github")
    assert shown(ended) == (
        NOON + timedelta(minutes=5),
        ("shop",),
        "a10867b14bb7",
        "bot",
        "deploy main to production success",
        "github",
    )
    assert (begun.id, ended.id) == ("acme/shop 42", "acme/shop 42 success")


def test_a_deployment_of_gitlab():
    (change,) = read(GITLAB, x_gitlab_event="Deployment Hook")
    assert shown(change) == (
        NOON,
        ("web-shop",),
        "279484c0",
        "bert",
        "deploy main to staging success: Add new file",
        "gitlab",
    )
    assert change.id == "acme/shop 15 success"


@pytest.mark.parametrize("message", [ARGO, ARGO["app"]])
def test_a_sync_of_argo_cd(message):
    (change,) = read(message)
    assert shown(change) == (
        NOON,
        ("shop",),
        "a10867b14bb7",
        "carl",
        "sync of shop succeeded: successfully synced",
        "argo cd",
    )


def test_plain_json_tells_one_change_or_several_and_now_without_a_time():
    one = {"service": "shop", "why": "flag on", "time": "2026-11-20T12:00:00Z"}
    assert [(change.time, change.source) for change in read(one)] == [(NOON, "webhook")]
    assert [change.why for change in read([one, one | {"why": "flag off", "source": "flags"}])] == [
        "flag on",
        "flag off",
    ]
    (now,) = read({"service": "*"})
    assert abs((now.time - utc_now()).total_seconds()) < 60


def test_the_address_can_name_the_services():
    (change,) = read(GITHUB, "service=till&service=shop&a=b", x_github_event="deployment")
    assert change.services == ("till", "shop")


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        ({"zen": "x", "hook_id": 1}, {"x_github_event": "ping"}),
        (GITHUB_STATUS | {"deployment_status": {"state": "pending"}}, {"x_github_event": "deployment_status"}),
        (GITLAB | {"status": "created"}, {"x_gitlab_event": "Deployment Hook"}),
        (GITLAB | {"object_kind": "push"}, {"x_gitlab_event": "Push Hook"}),
        ({"app": {"metadata": {"name": "a"}, "status": {}}}, {}),
    ],
)
def test_a_message_that_changes_nothing_is_left_out(message, headers):
    assert read(message, **headers) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "1 to 100"),
        (b"[1]", "object"),
        (b'"x"', "object"),
        (b"{}", "service is missing"),
        (b'{"service": "shop", "time": "noon"}', "time"),
        (json.dumps([{"service": "a"}] * (MOST_CHANGES + 1)).encode(), "1 to 100"),
    ],
)
def test_a_message_that_cannot_be_read_is_named(body, named):
    with pytest.raises(ValueError, match=named):
        changes_of(body, {})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["app", "status", "operationState", "deployment", "kind", "a"]), inner)
    ),
    max_leaves=6,
)


@given(
    _json,
    st.sampled_from(
        [{}, {"x-github-event": "deployment"}, {"x-github-event": "deployment_status"}, {"x-gitlab-event": ""}]
    ),
    st.text(),
)
def test_any_json_is_changes_or_one_error(message, headers, query):
    try:
        changes_of(json.dumps(message).encode(), headers, query)
    except ValueError as error:
        assert str(error)


def test_a_form_is_named_as_one():
    headers = {"x-github-event": "deployment", "content-type": "application/x-www-form-urlencoded"}
    with pytest.raises(ValueError, match="content type application/json"):
        changes_of(b"payload=%7B%7D", headers)


@pytest.mark.parametrize(("days", "taken"), [(-9000, True), (0.9, True), (1.1, False), (40_000, False)])
def test_a_change_is_at_most_a_day_ahead(days, taken):
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    body = json.dumps({"service": "shop", "time": (now + timedelta(days=days)).isoformat()}).encode()
    if taken:
        assert len(changes_of(body, {}, now=now)) == 1
    else:
        with pytest.raises(ValueError, match="in the future"):
            changes_of(body, {}, now=now)


def test_an_address_with_too_many_fields_is_refused():
    with pytest.raises(ValueError, match="more than 100 fields"):
        changes_of(b"{}", {}, "&".join(["service=shop"] * 101))

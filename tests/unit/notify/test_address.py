"""The address of a route: what apprise would read as a forbidden parameter is refused, however it is written, and secrets are masked."""

import pytest

from pratique.errors import UsageError
from pratique.notify.address import resolved, without_secrets


@pytest.mark.parametrize(
    "query",
    [
        "?redirect=yes",
        "?KeyFile=x",
        "?%6beyfile=x",
        "?a=1;keyfile=x",
        "#?redirect=yes",
        "?a=b;c=/etc/passwd",
        "?c=%2Fetc%2Fpasswd",
    ],
)
def test_a_forbidden_parameter_is_refused(monkeypatch, query):
    monkeypatch.setenv("HOOK", f"json://web1.example/x{query}")
    with pytest.raises(UsageError, match="is not allowed: remove it"):
        resolved("env:HOOK")


@pytest.mark.parametrize("query", ["?a=1&b=2", "?+X-Path=/here", "?:message=text"])
def test_other_parameters_are_taken(monkeypatch, query):
    monkeypatch.setenv("HOOK", f"json://web1.example/x{query}")
    assert resolved("env:HOOK") == f"json://web1.example/x{query}"


@pytest.mark.parametrize(
    "address",
    ["ntfys://geheim@ntfy.example/ops", "json://ann:geheim@web1.example/", "json://web1.example/?a=1;b=geheim"],
)
def test_each_part_that_may_be_a_secret_is_masked(address):
    assert "geheim" not in without_secrets("the receiver says: geheim is unknown", address)

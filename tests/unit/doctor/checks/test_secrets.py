"""What looks like a secret, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.doctor.checks.secrets import is_secret
from support.host_facts import IMAGE, found, look


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "hunter2", True), ("API_KEY", "4f1e09aa", True), ("GITHUB_TOKEN", "x1y2z3w4", True), ("mysql.password", "geheim-1", True),
        ("DATABASE_URL", "postgres://shop:hunter2@db/shop", True), ("JAVA_OPTS", "-Dtoken=4f1e09aa", True), ("X", "AKIAIOSFODNN7EXAMPLE", True),
        ("DB_USER", "shop", False), ("DB_PASSWORD_FILE", "/run/secrets/db", False), ("DB_PASSWORD", "env:DB", False), ("DB_PASSWORD", "", False),
        ("USE_TOKEN", "true", False), ("MAX_TOKENS", "4096", False), ("SSH_AUTH_SOCK", "/run/agent", False), ("PWD", "/app", False),
        ("GPG_KEY", "E3FF2839C048B25C084DEBE9B26995E310250568", False), ("TOKENIZERS_PARALLELISM", "false", False), ("PATH", "/usr/bin:/bin", False),
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_name_or_its_form(name, value, secret):
    assert is_secret(name, value) is secret


@given(name=st.text(max_size=50), value=st.text(max_size=300))
def test_any_text_can_be_asked_about(name, value):
    assert is_secret(name, value) in {True, False}


@pytest.mark.parametrize(
    "line", ["ENV API_TOKEN=4f1e09aa", "|1 NPM_TOKEN=4f1e09aa /bin/sh -c npm ci", 'RUN export SECRET="a b c d"']
)
def test_the_history_of_an_image_is_searched(line):
    assert found("secret-in-env", look(history={IMAGE: [{"CreatedBy": line}]}))
    assert not found("secret-in-env", look(history={IMAGE: [{"CreatedBy": "RUN make TOKEN=$TOKEN"}]}))

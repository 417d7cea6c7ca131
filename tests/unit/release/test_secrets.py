"""References to secrets are resolved for an instance and masked in its output."""

import pytest

from pratique.errors import MissingError
from pratique.release import mask, resolve_env


def test_references_are_resolved_and_other_values_unchanged(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "env:not-again")
    (tmp_path / "password").write_text("hunter2\n")
    env = {"KEY": "env:SHOP_KEY", "PASSWORD": "file:password", "URL": "http://db:5432", "EMPTY": ""}
    assert resolve_env(env, tmp_path) == {
        "KEY": "env:not-again",
        "PASSWORD": "hunter2",
        "URL": "http://db:5432",
        "EMPTY": "",
    }


def test_an_absolute_path_is_not_relative_to_the_base(tmp_path):
    (tmp_path / "password").write_text("hunter2")
    assert resolve_env({"P": f"file:{tmp_path}/password"}, tmp_path / "elsewhere") == {"P": "hunter2"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), (b"\xff\xfe", "is not text"), (b"a\0b", "contains a zero byte")],
)
def test_the_error_for_an_invalid_secret_file_does_not_show_its_content(tmp_path, content, problem):
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(MissingError, match=rf"KEY refers to 'file:key'.*{problem}"):
        resolve_env({"KEY": "file:key"}, tmp_path)


def test_secrets_are_masked_line_by_line_except_short_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "hunter2")
    monkeypatch.setenv("SHOP_PIN", "1")
    (tmp_path / "cert").write_text("first line\nsecond line\n")
    env = {"KEY": "env:SHOP_KEY", "PIN": "env:SHOP_PIN", "CERT": "file:cert", "PLAIN": "8080", "GONE": "env:GONE"}
    text = "at 8080, key hunter2, pin 1: second line"
    assert mask(text, env, tmp_path) == "at 8080, key [env:SHOP_KEY], pin 1: [file:cert]"


def test_a_secret_that_begins_with_another_secret_is_masked_completely(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_OLD", "key-1234")
    monkeypatch.setenv("SHOP_NEW", "key-1234-5678-live")
    env = {"OLD": "env:SHOP_OLD", "NEW": "env:SHOP_NEW"}
    assert mask("key-1234-5678-live, key-1234", env, tmp_path) == "[env:SHOP_NEW], [env:SHOP_OLD]"

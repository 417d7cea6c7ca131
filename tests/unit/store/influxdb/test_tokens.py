"""Tokens by reference."""

import pytest

from pratique.config import StoreSettings, load
from pratique.errors import ConfigError, DeniedError, UsageError
from pratique.store.influxdb.tokens import read_token, write_token


def test_the_default_is_the_variable_of_influxdb_itself(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "abc==\n")
    assert write_token(StoreSettings()) == read_token(StoreSettings()) == "abc=="


def test_reads_may_have_their_own_token(monkeypatch, tmp_path):
    monkeypatch.setenv("WRITE", "w")
    (tmp_path / "read").write_text("r\n")
    settings = StoreSettings(token_env="WRITE", read_token_file=str(tmp_path / "read"))
    assert (write_token(settings), read_token(settings)) == ("w", "r")


def test_a_missing_token_is_denied_by_the_name_of_its_place(monkeypatch, tmp_path):
    with pytest.raises(DeniedError, match="variable INFLUX_TOKEN is not set"):
        write_token(StoreSettings())
    monkeypatch.setenv("EMPTY", " ")
    with pytest.raises(DeniedError, match="variable EMPTY is not set"):
        write_token(StoreSettings(token_env="EMPTY"))
    with pytest.raises(DeniedError, match=r"'/nowhere/token' of store\.token_file cannot be read: No such file"):
        write_token(StoreSettings(token_file="/nowhere/token"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DeniedError, match="is empty"):
        write_token(StoreSettings(token_file=str(tmp_path / "empty")))


@pytest.mark.parametrize("content", ["two words", "two\nlines", "a\tb", "é"])
def test_what_is_no_token_is_refused_and_not_shown(monkeypatch, content):
    monkeypatch.setenv("TOKEN", content)
    with pytest.raises(DeniedError, match="something other than a token") as raised:
        write_token(StoreSettings(token_env="TOKEN"))
    assert content not in str(raised.value)


def test_two_places_are_refused():
    with pytest.raises(UsageError, match="remove one of them"):
        write_token(StoreSettings(token_env="A", token_file="b"))


def test_a_token_in_place_of_its_name_is_refused_and_not_shown(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text('[store]\ntoken_env = "s3cret-token=="\n')
    with pytest.raises(ConfigError, match="must be the name of an environment variable") as raised:
        load(file)
    assert "s3cret" not in str(raised.value)


def test_paths_are_relative_to_the_service_file(tmp_path):
    (tmp_path / "pratique.toml").write_text('[store]\ntoken_file = "secrets/token"\nca_file = "/etc/ca.pem"\n')
    store = load(tmp_path / "pratique.toml").store
    assert (store.token_file, store.ca_file) == (str(tmp_path / "secrets" / "token"), "/etc/ca.pem")
    assert store.read_token_file == ""

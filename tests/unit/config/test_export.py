"""The table [export.remote_write]."""

from pathlib import Path

import pytest

from pratique.config import load, parse
from pratique.errors import ConfigError, UsageError


def remote_write(text):
    return parse(f"[export.remote_write]\n{text}\n", Path("pratique.toml")).export.remote_write


def test_nothing_is_sent_by_default():
    assert remote_write("").url == ""


def test_files_are_relative_to_the_service_file(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text('[export.remote_write]\nca_file = "ca.pem"\nbearer_token = "file:token"\n')
    found = load(file).export.remote_write
    assert (found.ca_file, found.bearer_token) == (str(tmp_path / "ca.pem"), f"file:{tmp_path / 'token'}")


def test_an_address_with_a_password_is_refused_and_not_shown(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text('[export.remote_write]\nurl = "http://me:secret@h/api/v1/write"\n')
    with pytest.raises(UsageError, match="holds a user or password") as error:
        load(file)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('url = "influxdb://h/a/b"', "is not an address of remote write: write it like http://HOST:9090/api/v1/write"),
        ('url = "http://"', "is not an address of remote write"),
        ('password = "secret"', "export.remote_write.password"),
        ('labels = { service = "x" }', "the label 'service' is set by Pratique: choose another name"),
        ('labels = { "a-b" = "x" }', "export.remote_write.labels"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(line, words):
    with pytest.raises(ConfigError) as error:
        remote_write(line)
    assert words in str(error.value)

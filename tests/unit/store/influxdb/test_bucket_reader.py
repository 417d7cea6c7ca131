"""The version of a server decides how it is asked; a message about one that is too old names the version to use."""

import pytest

from pratique.errors import DataError
from pratique.store import open_store
from pratique.store.influxdb.bucket_reader import kind_of
from support.recorded_answers import recorded_server


@pytest.mark.parametrize(
    ("version", "kind"),
    [("1.8.10", 1), ("1.12.1", 1), ("v2.0.4", 2), ("2.8.0", 2), ("dev", 2), ("3.2.1", 3), ("3.10.0-nightly", 3)],
)
def test_kind_by_version(version, kind):
    assert kind_of(version) == kind


@pytest.mark.parametrize(
    ("version", "words"),
    [("1.6.7~rc0", "needs 1.8 or newer"), ("1.7.11", "needs 1.8"), ("0.9.0", "needs 1.8"), ("4.0.0", "does not know")],
)
@pytest.mark.slow
def test_other_versions_are_refused_in_one_line(version, words, monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "x")
    with pytest.raises(DataError, match=words):
        kind_of(version)
    with recorded_server(version) as server, pytest.raises(DataError, match=words):
        open_store(server.address()).revisions()

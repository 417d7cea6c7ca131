"""Addresses of stores, and the translation of foreign errors."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake.exceptions import DeltaError
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import DataError, DeniedError, StorageError, UnavailableError, UsageError
from pratique.store.failures import explain, translated
from pratique.store.location import Location
from pratique.store.snapshot import StoredFile, epoch_ms


def test_path_and_file_url_are_folders(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Location.of("a/b").folder == tmp_path / "a" / "b"
    assert Location.of(f"file://{tmp_path}/with%20space").folder == tmp_path / "with space"
    assert Location.of("C:/odd").folder == tmp_path / "C:" / "odd"


def test_url_takes_options_from_the_environment_and_hides_them(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HOME_OF_NOTHING", "x")
    location = Location.of("S3://bucket/x")
    assert (location.folder, location.name) == (None, "S3://bucket/x")
    assert location.options["AWS_SECRET_ACCESS_KEY"] == "secret"
    assert "HOME_OF_NOTHING" not in location.options
    assert "secret" not in repr(location)


def test_credentials_in_an_address_are_refused():
    with pytest.raises(UsageError, match="holds credentials") as raised:
        Location.of("s3://KEY:hunter2@bucket/x")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://x/y", "influxdb://x", "s4://x", "://x"])
def test_other_schemes_are_refused_or_folders(url):
    if url.startswith("://"):
        assert Location.of(url).folder == Path(url).absolute()
        return
    with pytest.raises(UsageError, match="has an unknown scheme"):
        Location.of(url)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), StorageError),
        (OSError("Generic LocalFileSystem error\n ↳ No space left on device (os error 28)"), StorageError),
        (DeltaError("Kernel error: Arrow error: Unable to copy data to file: Disk quota exceeded"), StorageError),
        (PermissionError(13, "Permission denied"), DeniedError),
        (OSError(30, "Read-only file system"), DeniedError),
        (DeltaError("Client error with status 403 Forbidden"), DeniedError),
        (OSError("Generic S3 error: error sending request for url (http://x)"), UnavailableError),
        (OSError(5, "Input/output error"), StorageError),
        (FileNotFoundError(2, "No such file"), DataError),
        (pa.ArrowInvalid("Parquet magic bytes not found"), DataError),
        (DeltaError("Json error\n   0: <unknown>\n   1: start_thread"), DataError),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, Exception) else value.__name__,
)
def test_foreign_errors_become_one_line_of_pratique(error, kind):
    said = explain("/data/store", "written", error)
    assert type(said) is kind
    assert "'/data/store' cannot be written" in str(said)
    assert "<unknown>" not in str(said)
    assert len(str(said)) < 320


def test_errors_of_pratique_and_bugs_pass_unchanged():
    for error in (DeniedError("mine"), KeyError("mine")):
        with pytest.raises(type(error), match="mine"), translated("/s", "read"):
            raise error


@given(st.datetimes(datetime(1900, 1, 1), datetime(2300, 1, 1)), st.integers(-12, 14))
def test_time_is_rounded_up_to_the_millisecond_in_any_zone(moment, hours):
    there = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    exact = (there - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
    assert -1000 < exact - 1000 * epoch_ms(there) <= 0


def test_file_without_statistics_may_hold_any_row():
    known = StoredFile("a", "shop", 0, 1, 1, 0, {"window": (10, 20), "source": ("a", "c")})
    unknown = StoredFile("a", "shop", 0, 1, 1, 0, {})
    assert unknown.may_hold({"window": (1, 2)})
    assert known.may_hold({"window": (20, 30), "host": ("x", "y")})
    assert not known.may_hold({"window": (21, 30)})
    assert not known.may_hold({"window": (None, 9)})
    assert not known.may_hold({"window": (None, None), "source": ("d", "e")})

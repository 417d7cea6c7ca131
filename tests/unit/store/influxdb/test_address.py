"""Addresses of buckets, which hold no credentials."""

import pytest

from pratique.errors import UsageError
from pratique.store import open_store
from pratique.store.influxdb.address import InfluxAddress


@pytest.mark.parametrize(
    ("url", "server", "organisation", "bucket"),
    [
        ("influxdb://db:8087/org/bucket", "http://db:8087", "org", "bucket"),
        ("influxdb://db/org/bucket/", "http://db:8086", "org", "bucket"),
        ("influxdbs://db.example.org/My%20org/a%2Fb", "https://db.example.org:8086", "My org", "a/b"),
        ("influxdb://[::1]:8086/o/b", "http://[::1]:8086", "o", "b"),
    ],
)
def test_an_address_names_server_organisation_and_bucket(url, server, organisation, bucket):
    found = InfluxAddress.of(url)
    assert (found.server, found.organisation, found.bucket) == (server, organisation, bucket)
    assert open_store(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "influxdb://",
        "influxdb://db:8086",
        "influxdb://db:8086/org",
        "influxdb://db/org/bucket/more",
        "influxdb:///org/bucket",
        "influxdb://db:99999/org/bucket",
        "influxdb://db/org/bucket?token=x",
        "influxdb://db/org/bucket#x",
        "influxdb://db/org/a%0ab",
    ],
)
def test_another_form_is_refused_in_one_line(url):
    with pytest.raises(UsageError, match=r"influxdb://HOST:PORT/ORGANISATION/BUCKET") as raised:
        open_store(url)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["influxdb://user:secret@db/org/bucket", "influxdbs://secret@db/org/bucket"])
def test_credentials_are_refused_and_not_shown(url):
    with pytest.raises(UsageError, match=r"store\.token_env") as raised:
        open_store(url)
    assert "secret" not in str(raised.value)

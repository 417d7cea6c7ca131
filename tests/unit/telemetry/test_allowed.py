"""Senders by their networks."""

import pytest

from pratique.config import TelemetrySettings
from pratique.telemetry.allowed import AllowedSenders


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.168.3.4", True),
        ("172.31.0.1", True),
        ("::ffff:10.0.0.5", True),
        ("fe80::1%eth0", True),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2001:db8::1", False),
    ],
)
def test_default_is_loopback_and_private_networks(host, is_allowed):
    assert AllowedSenders(TelemetrySettings().allow).allows(host) is is_allowed


def test_network_that_is_none_is_refused_with_an_example():
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1/8' is not a network: .*: write it like 10\.0\.0\.0/8"):
        TelemetrySettings(allow=["10.0.0.1/8"])

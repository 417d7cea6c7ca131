"""The host that a line counts under, by telemetry.host_from."""

import json

import pytest

from pratique.balancer.accessline import Access, encode
from pratique.config import Config
from pratique.telemetry.accesslog import decode
from pratique.telemetry.aggregate import Window
from pratique.telemetry.line_keys import LineKeys

HAPROXY = {"t": 1_795_226_000_000, "s": "shop", "r": "r1", "m": "GET", "p": "/", "c": 200, "Ta": 12, "h": "lb1"}


def embedded(instance):
    access = Access(1_795_226_000_000, "shop", "r1", "GET", "/", 200, 3.0, instance)
    return encode(access, host="lb1", boot="b", sequence=0)


def haproxy(instance):
    return b"<134>1 2026-11-20T00:00:00Z lb1 haproxy - - - " + json.dumps({**HAPROXY, "i": instance}).encode()


def host_of(datagram, source):
    line = decode(datagram)
    keys = LineKeys(Config.model_validate({"telemetry": {"host_from": source}, "services": {"shop": {}}}))
    host = keys.key(line, Window())[4]
    assert keys.folded == 0
    return host


@pytest.mark.parametrize("sent", [embedded, haproxy])
@pytest.mark.parametrize(
    ("source", "instance", "host"),
    [
        ("line", "192.0.2.7:8000", "lb1"),
        ("server", "192.0.2.7:8000", "192.0.2.7"),
        ("server", "web2.example:8000", "web2.example"),
        ("server", "[2001:db8::7]:8000", "2001:db8::7"),
        ("server", "2001:db8::7:8000", "2001:db8::7"),
        ("instance", "192.0.2.7:8000", "192.0.2.7:8000"),
        # no server answered, or the text is not an address
        ("instance", "none", "lb1"),
        ("instance", "-:-", "lb1"),
        ("server", "", "lb1"),
        ("server", "a\x1b[2J:80", "lb1"),
        ("instance", "x" * 300 + ":80", "lb1"),
    ],
)
def test_a_line_counts_under_the_host_that_the_setting_names(sent, source, instance, host):
    assert host_of(sent(instance), source) == host


def test_a_line_that_names_no_instance_counts_under_its_host():
    body = json.dumps(HAPROXY).encode()
    assert host_of(b"<134>1 2026-11-20T00:00:00Z lb1 haproxy - - - " + body, "instance") == "lb1"

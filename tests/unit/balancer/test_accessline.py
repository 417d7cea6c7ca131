"""The collector decodes access lines as they were sent, whatever path a client requests."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.balancer.accessline import MAX_PATH, Access, AccessSender, encode
from pratique.errors import UnavailableError
from pratique.telemetry.accesslog import decode

HOSTILE = st.text(max_size=20_000) | st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=3000)


def access(path="/cart", method="GET"):
    return Access(1_795_000_000_123, "shop", "r1", method, path, 200, 12.345678, "127.0.0.1:20000")


def test_a_line_is_decoded_as_it_was_sent_without_its_query():
    line = decode(encode(access("/search?q=a b\"'<script>${x}"), host="web-1", boot="b00t", sequence=7))
    assert (line.time_ms, line.service, line.revision) == (1_795_000_000_123, "shop", "r1")
    assert (line.method, line.path, line.code, line.duration_ms) == ("GET", "/search", 200, 12.346)
    assert (line.host, line.boot, line.sequence) == ("web-1", "b00t", 7)


@pytest.mark.slow
@given(HOSTILE, HOSTILE)
def test_a_line_with_any_path_stays_below_8_kb_and_is_decoded(path, method):
    datagram = encode(access("/" + path, method), host="h" * 64, boot="b" * 12, sequence=1 << 60)
    assert len(datagram) < 8000
    assert b"\n" not in datagram
    line = decode(datagram)
    line.path.encode()
    assert line.path.startswith("/")


@pytest.mark.parametrize("character", ["x", '"', "\\", "\x00", "\x7f", "é", "\u2028", "😀", "\udc80"])
def test_a_path_of_ten_thousand_characters_fits(character):
    assert len(encode(access(character * 10_000), host="h", boot="b", sequence=0)) < 8000


def test_a_long_plain_path_keeps_its_beginning():
    line = decode(encode(access("/" + "x" * 10_000), host="h", boot="b", sequence=0))
    assert line.path == "/" + "x" * (MAX_PATH - 1)


def test_a_line_that_cannot_be_sent_leaves_a_gap_in_the_sequence():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        sender = AccessSender(f"127.0.0.1:{collector.getsockname()[1]}", "web-1")
        target = sender._target
        sender.send(access())
        sender._target = ("255.255.255.255", 1)
        sender.send(access())
        sender._target = target
        sender.send(access())
        lines = [decode(collector.recv(65536)) for _ in range(2)]
        sender.close()
    assert [line.sequence for line in lines] == [0, 2]
    assert lines[0].boot == lines[1].boot
    assert (sender.sent, sender.failed) == (2, 1)


def test_a_collector_address_that_cannot_be_resolved_is_an_error():
    with pytest.raises(UnavailableError, match=r"'a\.\.b:5514' cannot be resolved"):
        AccessSender("a..b:5514", "h")

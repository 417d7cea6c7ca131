"""An address is free, in use by a part of Pratique, or a problem that names its owner."""

import os
import socket
from contextlib import nullcontext
from pathlib import Path

import pytest

from pratique.check.sockets import Address, listen_state, resolved, without_a_clash
from pratique.errors import DeniedError, UnavailableError, UsageError

UNPRIVILEGED = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


def nobody():
    return ""


@pytest.fixture(params=["tcp", "udp"])
def taken(request):
    kind = socket.SOCK_STREAM if request.param == "tcp" else socket.SOCK_DGRAM
    with socket.socket(type=kind) as found:
        found.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            found.listen()
        yield Address(f"127.0.0.1:{found.getsockname()[1]}", request.param)


def free_address(protocol):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return Address(f"127.0.0.1:{found.getsockname()[1]}", protocol)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_free_address_stays_free(protocol):
    address = free_address(protocol)
    for _ in range(2):
        assert listen_state(address, nobody) == f"{address.text} ({protocol.upper()}) is free"


def test_an_address_used_by_a_part_of_pratique_passes(taken):
    assert listen_state(taken, lambda: "the collector") == f"{taken.text} is in use by the collector"


def test_an_address_in_use_names_the_process(taken):
    name = f"in use by .* \\(process {os.getpid()}\\): stop it"
    with pytest.raises(UnavailableError, match=name):
        listen_state(taken, nobody)


def test_the_other_protocol_of_the_same_port_is_free(taken):
    other = Address(taken.text, "udp" if taken.protocol == "tcp" else "tcp")
    assert "is free" in listen_state(other, nobody)


def test_a_port_whose_connections_have_just_ended_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        client = socket.create_connection(address)
        accepted, _ = server.accept()
        # who closes first keeps the port in TIME_WAIT
        accepted.close()
        client.close()
    assert "is free" in listen_state(Address(f"127.0.0.1:{address[1]}", "tcp"), nobody)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.7:8080", r"'192\.0\.2\.7' is not an address of this machine"),
        ("no-such-host.invalid:8080", r"'no-such-host\.invalid' cannot be resolved"),
    ],
)
def test_an_address_of_another_machine_is_a_problem(text, message):
    with pytest.raises(UnavailableError, match=message):
        listen_state(Address(text, "tcp"), nobody)


@pytest.mark.skipif(os.geteuid() != 0 or UNPRIVILEGED <= 7, reason="port 7 is open to everybody, or we are not root")
def test_a_port_that_needs_root_is_a_problem():
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            listen_state(Address("127.0.0.1:7", "tcp"), nobody)
        except DeniedError as error:
            os._exit(0 if "only root may listen on ports below 1024" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_ipv6_is_written_in_brackets():
    assert Address("[::1]:80", "tcp").host == "::1"
    assert "is free" in listen_state(Address("[::1]:0", "tcp"), nobody)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (("127.0.0.1:80", "tcp"), ("127.0.0.1:80", "tcp"), True),
        (("127.0.0.1:80", "tcp"), ("127.0.0.1:81", "tcp"), False),
        (("127.0.0.1:80", "tcp"), ("127.0.0.1:80", "udp"), False),
        (("127.0.0.1:80", "tcp"), ("127.0.0.2:80", "tcp"), False),
        (("0.0.0.0:80", "tcp"), ("127.0.0.1:80", "tcp"), True),
        (("127.0.0.1:80", "tcp"), ("[::]:80", "tcp"), True),
    ],
)
def test_two_keys_clash_when_only_one_can_listen(one, other, clash):
    keys = [("a.listen", Address(*one)), ("b.listen", Address(*other))]
    expected = pytest.raises(UsageError, match=r"^a\.listen \(.*\) and b\.listen \(.*\) overlap: change one")
    with expected if clash else nullcontext():
        without_a_clash(keys)


def test_a_name_is_resolved():
    assert resolved(Address("127.0.0.1:5514", "udp")) == "127.0.0.1"
    with pytest.raises(UnavailableError, match="cannot be resolved"):
        resolved(Address("no-such-host.invalid:5514", "udp"))

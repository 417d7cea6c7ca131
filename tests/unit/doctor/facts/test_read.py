"""Hosts that hang or cannot be reached: a reason for each, in time, and the others are read."""

import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pratique.config.doctor import DoctorSettings
from pratique.doctor.facts import host
from pratique.doctor.facts.read import read_hosts
from pratique.errors import UnavailableError


@contextmanager
def silent_engine():
    """The address of a socket that accepts and never answers."""
    folder = Path(tempfile.mkdtemp(prefix="hang-"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "docker.sock"))
        server.listen()
        held = []

        def accept():
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield f"unix://{folder}/docker.sock"
        for connection in held:
            connection.close()
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_an_engine_that_hangs_stops_neither_its_host_nor_the_others():
    settings = DoctorSettings(timeout_s=4, request_timeout_s=30)
    with silent_engine() as address:
        started = time.monotonic()
        hanging, missing = read_hosts([address, "unix:///nowhere/docker.sock"], settings, {})
        took_s = time.monotonic() - started
    assert took_s < 15
    assert hanging.missing["info"] == "no answer within 4 s"
    assert "space" in hanging.parts
    assert "no Docker engine answers" in missing.missing["info"]
    assert "space" in missing.parts


@pytest.mark.slow
def test_a_request_that_hangs_has_its_own_limit():
    with silent_engine() as address:
        (facts,) = read_hosts([address], DoctorSettings(timeout_s=60, request_timeout_s=1), {})
    assert "timed out" in facts.missing["info"].lower()


def test_a_host_that_ssh_cannot_reach_has_the_words_of_ssh(monkeypatch, tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'ssh: connect to host web1: Connection refused' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (facts,) = read_hosts(["ssh://web1"], DoctorSettings(timeout_s=30), {})
    assert "Connection refused" in facts.missing["info"]
    assert "Connection refused" in facts.missing["space"]
    assert facts.parts == {}


def test_a_host_without_a_declared_engine_is_read_by_its_script_alone():
    (facts,) = read_hosts([], DoctorSettings(), {}, without_engine=["unix:///nowhere"])
    assert facts.missing["info"] == "no engine of this host is declared"
    assert "space" in facts.parts


def fake_ssh(folder, monkeypatch, script):
    ssh = folder / "ssh"
    ssh.write_text(f"#!/bin/sh\n{script}\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_host_that_prints_without_end_is_cut(monkeypatch, tmp_path):
    monkeypatch.setattr(host, "LARGEST_OUTPUT", 1 << 20)
    fake_ssh(tmp_path, monkeypatch, "yes")
    assert len(host.run_script("ssh://web1", ["token"], timeout_s=30)) == 1 << 20


@pytest.mark.slow
def test_a_host_that_closes_its_output_and_stays_is_given_up(monkeypatch, tmp_path):
    fake_ssh(tmp_path, monkeypatch, "exec >&- 2>&-; sleep 60")
    with pytest.raises(UnavailableError, match="did not answer within 1 s"):
        host.run_script("ssh://web1", ["token"], timeout_s=1)


def test_the_end_of_an_error_holds_no_part_of_a_secret(monkeypatch, tmp_path):
    fake_ssh(tmp_path, monkeypatch, f"echo 'password=hunter2-hunter2-hunter2 {'z' * 185}' >&2; exit 1")
    with pytest.raises(UnavailableError) as raised:
        host.run_script("ssh://web1", ["token"], timeout_s=30)
    assert "unter2" not in str(raised.value)

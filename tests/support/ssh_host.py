"""A real sshd on this machine, for tests of what Pratique does over SSH.

with ssh_to_this_machine(monkeypatch) as address: …    "ssh://127.0.0.1:PORT", which the `ssh` on PATH can log in to
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

SSHD = "/usr/sbin/sshd"
START_S = 60.0
needs_ssh = pytest.mark.ssh


@contextmanager
def ssh_host(folder):
    """Start an sshd with keys in `folder`; gives its address."""
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "client.pub", folder / "authorized")
    folder.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while not _listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"ssh://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def ssh_to_this_machine(monkeypatch):
    """Start an sshd, and put an `ssh` on PATH that has the settings which a user would put into ~/.ssh/config."""
    folder = Path(tempfile.mkdtemp(prefix="ssh-"))
    wrapper = folder / "bin"
    wrapper.mkdir()
    (wrapper / "ssh").write_text(
        f"#!/bin/sh\nexec /usr/bin/ssh -F none -i {folder}/client -o StrictHostKeyChecking=no "
        f'-o UserKnownHostsFile={folder}/known -o LogLevel=ERROR "$@"\n'
    )
    (wrapper / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    try:
        with ssh_host(folder) as address:
            yield address
    finally:
        for connection in folder.glob("pratique-ssh-*/*"):
            end = ["/usr/bin/ssh", "-F", "none", "-o", f"ControlPath={connection}", "-O", "exit", "-"]
            subprocess.run(end, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port):
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0

"""The facts that one POSIX sh script tells of a host: run here, or there by ssh. The script changes nothing."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from pratique.clock import elapsed_s
from pratique.doctor.facts import host_text
from pratique.doctor.facts.model import PartStore, reason_of
from pratique.doctor.finding import ending
from pratique.errors import UnavailableError
from pratique.release.docker_engine import DEFAULT_SOCKET
from pratique.release.ssh import ssh_words
from pratique.release.tunnel import ENGINE_SOCKET

DEFAULT_ROOT = "/var/lib/docker"
LARGEST_OUTPUT = 16 << 20
SSH_FAILED = 255
PARSERS: Mapping[str, Callable[[str], Any]] = {
    "kernel": host_text.settings,
    "processes": host_text.processes,
    "daemons": host_text.daemons,
    "daemon_json": host_text.json_object,
    "space": host_text.file_systems,
    "inodes": host_text.file_systems,
    "memory": host_text.memory,
    "open_files": host_text.open_files,
    "interfaces": str.split,
    "routes": host_text.routes,
    "firewall": str.splitlines,
    "sockets": host_text.files,
    "time_sync": host_text.settings,
    "certificates": host_text.certificates,
    "log_files": host_text.files,
}
"""The parts of the script's output, and what reads each."""
HOST_PARTS = tuple(PARSERS)


def read_host(address: str, store: PartStore, *, root: str, timeout_s: float, certificates: Sequence[str] = ()) -> None:
    """Read all parts of a host into `store`. root: the engine's folder. certificates: files on the host whose end is asked for."""
    try:
        token = secrets.token_hex(12)
        text = run_script(
            address, [token, root or DEFAULT_ROOT, _socket_of(address), *certificates], timeout_s=timeout_s
        )
    except (UnavailableError, OSError) as error:
        store.miss(HOST_PARTS, reason_of(error))
        return
    parse_output(text, token, store)


def parse_output(text: str, token: str, store: PartStore) -> None:
    """Keep each part of the script's output. One that failed, or did not come to its end, has a reason instead."""
    parts = re.compile(rf"^{token} begin (\w+)\n(.*?)\n?^{token} end \1 (\d+)$", re.DOTALL | re.MULTILINE)
    for name, body, status in parts.findall(text):
        if name not in PARSERS:
            continue
        if status != "0":
            store.miss((name,), reason_of(UnavailableError(ending(body, 300) or f"it ended with status {status}")))
        else:
            store.read(name, partial(PARSERS[name], body))
    store.miss(
        [name for name in HOST_PARTS if name not in store.missing], "the script on the host did not come to its end"
    )


def run_script(address: str, arguments: Sequence[str], *, timeout_s: float) -> str:
    """Run the script on the host of an engine; return what it printed. Raises: UnavailableError."""
    script = resources.files("pratique.doctor.facts").joinpath("host_facts.sh").read_bytes()
    words = ["sh", "-s", "--", *arguments]
    remote = address.startswith("ssh://")
    command = [*ssh_words(address), shlex.join(words)] if remote else words
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise UnavailableError(f"{command[0]} cannot be started: {error.strerror}") from error
    output, error_text = _read_bounded(process, script, timeout_s)
    text = output.decode("utf-8", "replace")
    if process.returncode and not text:
        said = ending(error_text.decode("utf-8", "replace"), 200)
        where = (
            "the host cannot be reached over SSH"
            if remote and process.returncode == SSH_FAILED
            else "the script failed"
        )
        raise UnavailableError(f"{where}: {said or f'status {process.returncode}'}")
    return text


def _read_bounded(process: subprocess.Popen[bytes], script: bytes, timeout_s: float) -> tuple[bytes, bytes]:
    """Return what a process prints, at most LARGEST_OUTPUT of each stream. Raises: UnavailableError."""
    streams: list[Any] = [process.stdout, process.stderr]
    kept = [bytearray() for _ in streams]
    work = [partial(_drain, process, stream, into) for stream, into in zip(streams, kept, strict=True)]
    threads = [threading.Thread(target=one, daemon=True) for one in [*work, partial(_feed, process.stdin, script)]]
    deadline = elapsed_s() + timeout_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - elapsed_s()))
    late = any(thread.is_alive() for thread in threads)
    try:
        process.wait(max(0.0, deadline - elapsed_s()))
    except subprocess.TimeoutExpired:
        late = True
    _kill(process)
    for stream, thread in zip(streams, threads, strict=False):
        thread.join(1.0)
        if not thread.is_alive():
            stream.close()
    process.wait()
    if late:
        raise UnavailableError(f"the host did not answer within {timeout_s:g} s")
    return bytes(kept[0]), bytes(kept[1])


def _drain(process: subprocess.Popen[bytes], stream: Any, into: bytearray) -> None:
    """Read a stream to its end; end the process when it prints more than is kept."""
    while chunk := stream.read1(1 << 16):
        into.extend(chunk[: LARGEST_OUTPUT - len(into)])
        if len(into) >= LARGEST_OUTPUT:
            _kill(process)
            return


def _feed(stdin: Any, script: bytes) -> None:
    with suppress(OSError), stdin:
        stdin.write(script)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _socket_of(address: str) -> str:
    if address.startswith("ssh://"):
        return urlsplit(address).path or ENGINE_SOCKET
    given = address or os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET
    return given.removeprefix("unix://") if given.startswith("unix://") else ENGINE_SOCKET

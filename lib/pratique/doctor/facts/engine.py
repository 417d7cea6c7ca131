"""The facts that an engine tells by its API. Nothing here changes anything: every request is a GET."""

from __future__ import annotations

import io
import tarfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from pratique.clock import elapsed_s, utc_now
from pratique.doctor.facts.model import PartStore, reason_of
from pratique.errors import UnavailableError
from pratique.release.docker_engine import engine

ENGINE_PARTS = (
    "version", "info", "clock", "containers", "images", "networks", "pauses", "stats", "inside", "changes", "history", "os_release", "disk_use",
)  # fmt: skip
"""Their names; `disk_use` is last, because an engine can take long for it."""
PS_ARGUMENTS = "-eo pid,ppid,stat,comm"
AT_ONCE = 20
"""Requests at once; the client keeps 25 connections."""
LARGEST_FILE = 65_536
LARGEST_ANSWER = 64 << 20
"""Bytes: several times the answer of an engine with a thousand containers."""
MOST_EVENTS = 10_000
OS_RELEASE = "/etc/os-release"
PAUSES = ("pause", "unpause")


def read_engine(
    address: str, store: PartStore, *, timeout_s: float, known: Callable[[str], None] = lambda _: None
) -> None:
    """Read all parts of an engine into `store`. timeout_s: for one request. known: called with the engine's root folder."""
    try:
        with engine(address, timeout_s=timeout_s) as client:
            client.api.send = partial(_bounded, client.api.send)
            _read_parts(client.api, store, known)
    except Exception as error:  # noqa: BLE001 - an engine that cannot be asked is a result, not a failure
        store.miss(ENGINE_PARTS, reason_of(error))


def _bounded(send: Callable[..., Any], request: Any, **options: Any) -> Any:
    """Send a request, and read the answer up to LARGEST_ANSWER. Raises: UnavailableError for a longer one."""
    if options.get("stream"):
        return send(request, **options)
    response = send(request, **{**options, "stream": True})
    content = bytearray()
    for chunk in response.iter_content(1 << 16):
        content += chunk
        if len(content) > LARGEST_ANSWER:
            response.close()
            raise UnavailableError(f"the engine's answer is longer than {LARGEST_ANSWER >> 20} MB")
    response._content = bytes(content)  # noqa: SLF001 - what `requests` itself does with an answer that is not streamed
    return response


def _read_parts(api: Any, store: PartStore, known: Callable[[str], None]) -> None:
    store.read("version", api.version)
    before, asked = elapsed_s(), utc_now()
    info = store.read("info", api.info)
    if info:
        store.read("clock", lambda: _clock(info["SystemTime"], asked, elapsed_s() - before))
        known(str(info.get("DockerRootDir") or ""))
    else:
        store.miss(("clock",), store.missing.get("info", ""))
    containers = store.read("containers", lambda: _containers(api))
    store.read("images", lambda: _images(api, containers or ()))
    store.read("networks", api.networks)
    store.read("pauses", lambda: _pauses(api, containers or ()))
    if containers is None:
        store.miss(("stats", "inside", "changes", "history", "os_release"), store.missing["containers"])
    else:
        running = [one for one in containers if one["State"].get("Running")]
        used = {one["Image"]: one["Id"] for one in containers}
        store.read("inside", lambda: _each(running, lambda one: api.top(one["Id"], PS_ARGUMENTS)))
        store.read("stats", lambda: _each(running, lambda one: api.stats(one["Id"], stream=False, one_shot=True)))
        store.read("changes", lambda: _each(running, lambda one: api.diff(one["Id"]) or []))
        store.read("history", lambda: {image: _told(partial(api.history, image)) for image in used})
        store.read(
            "os_release",
            lambda: {image: _told(partial(_file, api, one, OS_RELEASE)) for image, one in used.items()},
        )
    store.read("disk_use", api.df)


def _clock(told: str, asked: datetime, round_trip_s: float) -> Mapping[str, float]:
    """How far the engine's clock is ahead of ours: half of the round trip is the most that the answer can be off."""
    there = datetime.fromisoformat(told)
    return {"ahead_s": (there - asked).total_seconds() - round_trip_s / 2, "uncertain_s": round_trip_s / 2}


def _containers(api: Any) -> Sequence[Mapping[str, Any]]:
    """All containers, inspected. One that is removed meanwhile is left out."""
    import docker.errors  # noqa: PLC0415 - slow to load

    found = []
    for listed in api.containers(all=True):
        try:
            found.append(api.inspect_container(listed["Id"]))
        except docker.errors.NotFound:
            continue
    return found


def _images(api: Any, containers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The images that are there, by id: all as they are listed, those in use inspected as well."""
    listed = {image["Id"]: image for image in api.images()}
    for one in {container["Image"] for container in containers}:
        told = _told(partial(api.inspect_image, one))
        listed[one] = {**listed.get(one, {}), **({"Unread": told.reason} if isinstance(told, Untold) else told)}
    return listed


def _pauses(api: Any, containers: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """When each paused container was paused, in seconds since 1970, as far as the engine remembers its last 256 events."""
    if not any(one["State"].get("Paused") for one in containers):
        return {}
    # the engine's own time, so that a clock that is off does not hide the last events
    until = datetime.fromisoformat(api.info()["SystemTime"]).timestamp()
    events = api.events(since=0, until=int(until) + 1, filters={"event": list(PAUSES)}, decode=True)
    return {
        event["Actor"]["ID"]: event["time"] for event in islice(events, MOST_EVENTS) if event.get("Action") == "pause"
    }


class Untold:
    """What could not be read of one object."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        self.reason = reason


def _each(containers: Sequence[Mapping[str, Any]], ask: Callable[[Mapping[str, Any]], Any]) -> Mapping[str, Any]:
    """The answer for each container. Several are asked at once: an engine takes a second for the use of a container."""
    waiting = deque(containers)
    answers: dict[str, Any] = {}
    errors: list[Exception] = []

    def work() -> None:
        while waiting and not errors:
            try:
                one = waiting.popleft()
                answers[one["Id"]] = _told(partial(ask, one))
            except IndexError:  # another thread took the last one
                return
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)

    # daemons, unlike those of a pool: the process ends although an engine sends a byte a second
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(waiting)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


def _told(ask: Callable[[], Any]) -> Any:
    """The answer, or the reason why there is none. Raises: an error of the connection, which all objects share."""
    import docker.errors  # noqa: PLC0415 - slow to load

    try:
        return ask()
    except (docker.errors.APIError, tarfile.TarError) as error:
        return Untold(reason_of(error))


def _file(api: Any, container: str, path: str) -> str:
    """The beginning of a small file of a container; "" where there is none. A link inside /etc is followed once."""
    import docker.errors  # noqa: PLC0415 - slow to load

    try:
        chunks, _ = api.get_archive(container, path)
    except docker.errors.NotFound:
        return ""
    packed = io.BytesIO(b"".join(chunk for _, chunk in zip(range(64), chunks, strict=False)))
    with tarfile.open(fileobj=packed) as tar:
        member = tar.next()
        if member is not None and member.issym() and path == OS_RELEASE:
            return _file(api, container, "/usr/lib/os-release")
        content = tar.extractfile(member) if member is not None and member.isfile() else None
        return content.read(LARGEST_FILE).decode("utf-8", "replace") if content else ""

"""The client of a Docker engine, with its errors as errors of Pratique."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

from pratique.errors import MissingError, PratiqueError, UnavailableError
from pratique.release.tunnel import tunnel

TIMEOUT_S = 60
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


@contextlib.contextmanager
def engine(address: str, *, timeout_s: float = TIMEOUT_S) -> Iterator[Any]:
    """Open a `docker.DockerClient` of the engine at `address` ("": the engine of the environment).

    Raises: UnavailableError or MissingError for errors of the client; other errors in the body pass through.
    """
    import docker  # noqa: PLC0415 - slow to load
    import docker.errors  # noqa: PLC0415
    import requests  # noqa: PLC0415

    client = None
    try:
        url = f"unix://{tunnel(address)}" if address.startswith("ssh://") else address
        _require_socket(url or os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET)
        if url:
            client = docker.DockerClient(base_url=url, version="auto", timeout=timeout_s)
        else:
            client = docker.from_env(version="auto", timeout=timeout_s)
        yield client
    except PratiqueError:
        raise
    except docker.errors.NotFound as error:
        raise MissingError(f"the Docker engine{_at(address)} did not find it: {_message(error)}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise _unavailable(error, address) from error
    finally:
        if client is not None:
            client.close()


def _require_socket(url: str) -> None:
    """Check that the socket accepts connections; Docker's client would leave its own socket open. Raises: OSError."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as tried:
            tried.connect(url.removeprefix("unix://"))


def _at(address: str) -> str:
    return f" at {address}" if address else ""


def _message(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)[:300]


def _unavailable(error: Exception, address: str) -> UnavailableError:
    text = _message(error)
    if any(sign in text for sign in ("FileNotFoundError", "Connection refused", "No such file")):
        where = address or os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET
        return UnavailableError(f"no Docker engine answers at {where}: start it, or check runtime.docker.hosts")
    return UnavailableError(f"Docker{_at(address)} rejected the request: {text}")

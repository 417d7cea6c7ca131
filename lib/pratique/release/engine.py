"""A Docker engine's client, with its errors in our words."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

from pratique.errors import MissingError, PratiqueError, UnavailableError
from pratique.release.tunnel import tunnel

TIMEOUT_S = 60
USUAL = "unix:///var/run/docker.sock"


@contextlib.contextmanager
def engine(address: str, *, timeout_s: float = TIMEOUT_S) -> Iterator[Any]:
    """A `docker.DockerClient` of the engine at `address` ("" is that of the environment); closed at the end.

    Raises: whatever is raised within, docker's own errors as UnavailableError or MissingError.
    """
    import docker  # noqa: PLC0415 - slow to load
    import docker.errors  # noqa: PLC0415
    import requests  # noqa: PLC0415

    client = None
    try:
        url = f"unix://{tunnel(address)}" if address.startswith("ssh://") else address
        _require_socket(url or os.environ.get("DOCKER_HOST") or USUAL)
        if url:
            client = docker.DockerClient(base_url=url, version="auto", timeout=timeout_s)
        else:
            client = docker.from_env(version="auto", timeout=timeout_s)
        yield client
    except PratiqueError:
        raise
    except docker.errors.NotFound as error:
        raise MissingError(f"the Docker engine{_at(address)} does not have it: {_said(error)}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise _unavailable(error, address) from error
    finally:
        if client is not None:
            client.close()


def _require_socket(url: str) -> None:
    """Raises: OSError where nothing accepts; docker's own client would leave its socket open."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as tried:
            tried.connect(url.removeprefix("unix://"))


def _at(address: str) -> str:
    return f" at {address}" if address else ""


def _said(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)[:300]


def _unavailable(error: Exception, address: str) -> UnavailableError:
    text = _said(error)
    if any(sign in text for sign in ("FileNotFoundError", "Connection refused", "No such file")):
        asked = address or os.environ.get("DOCKER_HOST") or USUAL
        return UnavailableError(f"no Docker engine answers at {asked}: start it, or check runtime.docker.hosts")
    return UnavailableError(f"the Docker engine{_at(address)} does not do it: {text}")

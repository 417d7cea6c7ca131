"""What a registry of images lists, asked with the login of `docker login`, by name and password or for a token.

Source: OCI Distribution Specification 1.1, "Content Discovery"; "Token Authentication Specification" of the CNCF
project Distribution.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from docker import auth
from docker.errors import DockerException
from requests.utils import parse_dict_header

from pratique.errors import DeniedError, PratiqueError, UnavailableError

TIMEOUT_S = 10.0
LONGEST = 8 << 20
MOST_PAGES = 1000
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
HOSTS = {"docker.io": "registry-1.docker.io"}
"""Where a registry's name is not that of the host that answers."""

Login = tuple[str, str] | None


def list_tags(registry: str, name: str) -> list[str]:
    """The tags of a repository, sorted; none where the registry does not know it.

    Raises: DeniedError (no login, or one that may not read it), UnavailableError.
    """
    url = f"{'http' if _is_here(registry) else 'https'}://{HOSTS.get(registry, registry)}/v2/{name}/tags/list"
    try:
        found = (tag for page in _pages(url, _login(registry)) for tag in page.get("tags") or ())
        # whatever else stands there names no image
        return sorted({tag for tag in found if isinstance(tag, str) and TAG.fullmatch(tag)})
    except (requests.RequestException, DockerException, ValueError, TypeError, LookupError, RecursionError) as error:
        raise _mapped(error, registry, name) from error


def _pages(url: str, login: Login) -> Iterator[dict[str, Any]]:
    """The pages of a listing; none where the registry does not know it."""
    with requests.Session() as session:
        session.auth = login
        for _ in range(MOST_PAGES):
            answer = _ask(session, url, login)
            if answer.status_code == requests.codes.not_found:
                answer.close()
                return
            yield _content(answer)
            following = str(answer.links["next"]["url"]) if "next" in answer.links else ""
            # another host's page is none of this registry
            if not following or urlsplit(following).netloc:
                return
            url = urljoin(url, following)
    raise ValueError(f"it has more than {MOST_PAGES} pages of them")


def _ask(session: requests.Session, url: str, login: Login) -> requests.Response:
    """The registry's answer, not read yet; where it wants a token, with one."""
    answer = session.get(url, timeout=TIMEOUT_S, stream=True)
    kind, _, wanted = answer.headers.get("WWW-Authenticate", "").partition(" ")
    if answer.status_code != requests.codes.unauthorized or kind.lower() != "bearer":
        return answer
    answer.close()
    session.auth = _bearing(_token(parse_dict_header(wanted), login))
    return session.get(url, timeout=TIMEOUT_S, stream=True)


def _content(answer: requests.Response) -> dict[str, Any]:
    """The object in an answer. Raises: ValueError (too long, or no object), requests' own errors."""
    with answer:
        answer.raise_for_status()
        text = b""
        for piece in answer.iter_content(1 << 16):
            text += piece
            if len(text) > LONGEST:
                raise ValueError(f"an answer of more than {LONGEST >> 20} MB")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("an answer that is no object")  # noqa: TRY004 - what a registry says is no type of ours
    return found


def _token(wanted: dict[str, str], login: Login) -> str:
    """The token that a registry has asked for, from where it said; without a login, the one for everybody."""
    realm = wanted.get("realm", "")
    parts = urlsplit(realm)
    if parts.scheme != "https" and not _is_here(parts.hostname or ""):
        raise ValueError(f"it wants the login sent to {realm[:80]!r}, in the clear")
    asked = {key: wanted[key] for key in ("service", "scope") if key in wanted}
    given = _content(requests.get(realm, params=asked, auth=login, timeout=TIMEOUT_S, stream=True))
    return str(given.get("token") or given["access_token"])


def _bearing(token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """What puts the token into each request."""

    def put(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return put


def _login(registry: str) -> Login:
    with warnings.catch_warnings():
        # of a credential helper that is not there; the error that follows says so too
        warnings.simplefilter("ignore", UserWarning)
        found = auth.resolve_authconfig(auth.load_config(), registry) or {}
    return (found["username"], found["password"]) if found.get("username") and found.get("password") else None


def _is_here(address: str) -> bool:
    """Whether it is on this machine; Docker itself talks to such a registry without TLS."""
    return address.partition(":")[0] in {"localhost", "127.0.0.1"}


def _mapped(error: Exception, registry: str, name: str) -> PratiqueError:
    answer = getattr(error, "response", None)
    if answer is not None and answer.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
        return DeniedError(f"the registry {registry} does not show {name} to this user: run docker login {registry}")
    return UnavailableError(f"the registry {registry} does not list {name}: {str(error)[:200]}")

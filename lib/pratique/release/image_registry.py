"""List the tags in an image registry, with the login of `docker login`: by name and password, or by token.

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
ANSWER_MAX_BYTES = 8 << 20
MAX_PAGES = 1000
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
HOSTS = {"docker.io": "registry-1.docker.io"}
"""Registries whose API has another host name."""

Login = tuple[str, str] | None


def list_tags(registry: str, name: str) -> list[str]:
    """Return the tags of a repository, sorted; none if the registry does not know the repository.

    Raises: DeniedError (no login, or a login without access), UnavailableError.
    """
    url = f"{'http' if _is_local(registry) else 'https'}://{HOSTS.get(registry, registry)}/v2/{name}/tags/list"
    try:
        found = (tag for page in _pages(url, _login(registry)) for tag in page.get("tags") or ())
        # a registry may return anything; other texts cannot name an image
        return sorted({tag for tag in found if isinstance(tag, str) and TAG.fullmatch(tag)})
    except (requests.RequestException, DockerException, ValueError, TypeError, LookupError, RecursionError) as error:
        raise _mapped(error, registry, name) from error


def _pages(url: str, login: Login) -> Iterator[dict[str, Any]]:
    """Yield the pages of a listing; none if the registry does not know the repository."""
    with requests.Session() as session:
        session.auth = login
        for _ in range(MAX_PAGES):
            answer = _ask(session, url, login)
            if answer.status_code == requests.codes.not_found:
                answer.close()
                return
            yield _content(answer)
            following = str(answer.links["next"]["url"]) if "next" in answer.links else ""
            # a link to another host is not followed
            if not following or urlsplit(following).netloc:
                return
            url = urljoin(url, following)
    raise ValueError(f"the listing has more than {MAX_PAGES} pages")


def _ask(session: requests.Session, url: str, login: Login) -> requests.Response:
    """Return the answer of the registry, with an unread body. If the registry requires a token, get one first."""
    answer = session.get(url, timeout=TIMEOUT_S, stream=True)
    kind, _, wanted = answer.headers.get("WWW-Authenticate", "").partition(" ")
    if answer.status_code != requests.codes.unauthorized or kind.lower() != "bearer":
        return answer
    answer.close()
    session.auth = _bearing(_token(parse_dict_header(wanted), login))
    return session.get(url, timeout=TIMEOUT_S, stream=True)


def _content(answer: requests.Response) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises: ValueError (too long, or not an object), errors of requests."""
    with answer:
        answer.raise_for_status()
        text = b""
        for piece in answer.iter_content(1 << 16):
            text += piece
            if len(text) > ANSWER_MAX_BYTES:
                raise ValueError(f"an answer of more than {ANSWER_MAX_BYTES >> 20} MB")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("an answer that is not an object")  # noqa: TRY004 - invalid data, not a wrong argument
    return found


def _token(wanted: dict[str, str], login: Login) -> str:
    """Return a token from the server that the registry names; without a login, an anonymous token."""
    realm = wanted.get("realm", "")
    parts = urlsplit(realm)
    if parts.scheme != "https" and not _is_local(parts.hostname or ""):
        raise ValueError(f"it requires sending the login to {realm[:80]!r} in the clear")
    asked = {key: wanted[key] for key in ("service", "scope") if key in wanted}
    given = _content(requests.get(realm, params=asked, auth=login, timeout=TIMEOUT_S, stream=True))
    return str(given.get("token") or given["access_token"])


def _bearing(token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return the function that adds the token to a request."""

    def put(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return put


def _login(registry: str) -> Login:
    with warnings.catch_warnings():
        # a warning about a missing credential helper; the error that follows names it too
        warnings.simplefilter("ignore", UserWarning)
        found = auth.resolve_authconfig(auth.load_config(), registry) or {}
    return (found["username"], found["password"]) if found.get("username") and found.get("password") else None


def _is_local(address: str) -> bool:
    """Return whether the registry is on this machine. Docker also connects to such registries without TLS."""
    return address.partition(":")[0] in {"localhost", "127.0.0.1"}


def _mapped(error: Exception, registry: str, name: str) -> PratiqueError:
    answer = getattr(error, "response", None)
    if answer is not None and answer.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
        return DeniedError(f"the registry {registry} denies access to {name}: run docker login {registry}")
    return UnavailableError(f"the registry {registry} does not list {name}: {str(error)[:200]}")

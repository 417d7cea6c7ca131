"""What a registry of images lists, asked with the login of `docker login`, by name and password or for a token.

Source: OCI Distribution Specification 1.1, "Content Discovery"; "Token Authentication Specification" of the CNCF
project Distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import requests
from docker import auth
from requests.utils import parse_dict_header

from pratique.errors import DeniedError, PratiqueError, UnavailableError

TIMEOUT_S = 10.0
HOSTS = {"docker.io": "registry-1.docker.io"}
"""Where a registry's name is not that of the host that answers."""

Login = tuple[str, str] | None


def list_tags(registry: str, name: str) -> list[str]:
    """The tags of a repository, sorted; none where the registry does not know it.

    Raises: DeniedError (no login, or one that may not read it), UnavailableError.
    """
    url = f"{'http' if _is_here(registry) else 'https'}://{HOSTS.get(registry, registry)}/v2/{name}/tags/list"
    login = _login(registry)
    tags: list[str] = []
    try:
        with requests.Session() as session:
            session.auth = login
            while url:
                answer = _ask(session, url, login)
                if answer.status_code == requests.codes.not_found:
                    return []
                answer.raise_for_status()
                tags += [str(tag) for tag in answer.json().get("tags") or ()]
                following = str(answer.links["next"]["url"]) if "next" in answer.links else ""
                # another host's page is none of this registry
                url = urljoin(url, following) if following and not urlsplit(following).netloc else ""
    except (requests.RequestException, ValueError, AttributeError) as error:
        raise _mapped(error, registry, name) from error
    return sorted(tags)


def _ask(session: requests.Session, url: str, login: Login) -> requests.Response:
    """The registry's answer; where it wants a token, with one."""
    answer = session.get(url, timeout=TIMEOUT_S)
    kind, _, wanted = answer.headers.get("WWW-Authenticate", "").partition(" ")
    if answer.status_code != requests.codes.unauthorized or kind.lower() != "bearer":
        return answer
    session.auth = _bearing(_token(parse_dict_header(wanted), login))
    return session.get(url, timeout=TIMEOUT_S)


def _token(wanted: dict[str, str], login: Login) -> str:
    """The token that a registry has asked for, from where it said; without a login, the one for everybody."""
    realm = wanted.get("realm", "")
    parts = urlsplit(realm)
    if parts.scheme != "https" and not _is_here(parts.netloc):
        raise ValueError(f"it wants the login sent to {realm[:80]!r}, in the clear")
    asked = {key: wanted[key] for key in ("service", "scope") if key in wanted}
    answer = requests.get(realm, params=asked, auth=login, timeout=TIMEOUT_S)
    answer.raise_for_status()
    given = answer.json()
    return str(given.get("token") or given["access_token"])


def _bearing(token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """What puts the token into each request."""

    def put(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return put


def _login(registry: str) -> Login:
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

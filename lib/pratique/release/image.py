"""Releases as container images: a revision is a tag, resolved once, and stands for its digest from then on.

Source: OCI Distribution Specification 1.1 (tags, manifests by digest); OCI Image Specification 1.1, annotations
(`org.opencontainers.image.revision`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

from pratique.config import RuntimeSettings, check_name
from pratique.errors import DataError, MissingError, UnavailableError, UsageError
from pratique.release.engine import engine
from pratique.release.model import Release

REVISION_LABEL = "org.opencontainers.image.revision"
TIMEOUT_S = 10.0


def load_image_release(
    service: str, revision: str, settings: RuntimeSettings, *, digest: str | None = None, host: str | None = None
) -> Release:
    """The release of a revision, its image present in the engine and verified.

    digest: exactly this image, whatever the tag says now. host: of which engine; default the first.
    Raises: UsageError, MissingError (no such image), DataError (the image says it is another revision, or came
    with another digest), UnavailableError (engine or registry).
    """
    check_name("service", service)
    check_name("revision", revision)
    repository = settings.docker.image
    with engine(settings.docker.hosts[0] if host is None else host) as client:
        if _registry_of(repository):
            wanted = digest or _resolve(client, repository, revision)
            image = _present(client, repository, wanted, settings)
            location = f"{repository}@{wanted}"
        else:
            image = _local(client, repository, revision, digest)
            wanted = location = str(image.id)
        _verify(image, repository, revision)
    return Release(service, revision, wanted, location, settings.command, dict(settings.env))


def push_release(revision: str, settings: RuntimeSettings) -> str:
    """Push the image of a revision to its registry; return the digest that it has there.

    Raises: UsageError (no registry in runtime.docker.image), MissingError, DataError, UnavailableError.
    """
    repository = settings.docker.image
    if not _registry_of(repository):
        raise UsageError(f"runtime.docker.image {repository!r} names no registry: write it as REGISTRY/NAME")
    with engine(settings.docker.hosts[0]) as client:
        _verify(_local(client, repository, revision, None), repository, revision)
        digest = ""
        for said in client.images.push(repository, tag=revision, stream=True, decode=True):
            if "error" in said:
                raise UnavailableError(f"{repository}:{revision} cannot be pushed: {said['error'][:300]}")
            digest = said.get("aux", {}).get("Digest", digest)
    return digest


def list_releases(settings: RuntimeSettings) -> list[str]:
    """The revisions that the registry has, or the engine where there is no registry: what can be gone back to.

    Raises: UnavailableError.
    """
    repository = settings.docker.image
    registry = _registry_of(repository)
    if registry:
        return _tags(registry, repository.removeprefix(f"{registry}/"))
    with engine(settings.docker.hosts[0]) as client:
        tags = [tag for image in client.images.list(name=repository) for tag in image.tags]
    return sorted(tag.rpartition(":")[2] for tag in tags if tag.rpartition(":")[0] == repository)


def _registry_of(repository: str) -> str:
    """The registry's address; "" for an image of the engine's own."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _resolve(client: Any, repository: str, revision: str) -> str:
    try:
        return str(client.images.get_registry_data(f"{repository}:{revision}").id)
    except Exception as error:
        if "manifest unknown" in str(error) or "NotFound" in type(error).__name__:
            raise MissingError(f"no image {repository}:{revision} in the registry: push it first") from error
        raise UnavailableError(
            f"the registry of {repository}:{revision} does not answer: {str(error)[:200]}: start it, or check the name"
        ) from error


def _present(client: Any, repository: str, digest: str, settings: RuntimeSettings) -> Any:
    """The image of a digest, pulled where it is missing."""
    pinned = f"{repository}@{digest}"
    found = [image for image in client.images.list(name=repository) if pinned in image.attrs.get("RepoDigests", ())]
    if found:
        return found[0]
    if settings.docker.pull == "never":
        raise MissingError(f"the engine has no image {pinned}, and runtime.docker.pull is never: pull it")
    try:
        image = client.images.pull(pinned)
    except Exception as error:
        missing = "manifest unknown" in str(error) or "NotFound" in type(error).__name__
        kind = MissingError if missing else UnavailableError
        raise kind(f"{pinned} cannot be pulled: {str(error)[:200]}") from error
    if pinned not in image.attrs.get("RepoDigests", ()):
        raise DataError(f"the registry gave another image than {pinned}: {image.attrs.get('RepoDigests')!r:.200}")
    return image


def _local(client: Any, repository: str, revision: str, digest: str | None) -> Any:
    name = digest or f"{repository}:{revision}"
    found = [image for image in client.images.list() if name == image.id or name in image.tags]
    if not found:
        there = sorted(tag for image in client.images.list(name=repository) for tag in image.tags)
        raise MissingError(f"the engine has no image {name!r}; it has {', '.join(there[-20:]) or 'none of this name'}")
    return found[0]


def _verify(image: Any, repository: str, revision: str) -> None:
    """Whether the image itself says that it is this revision; one from a registry must."""
    said = image.labels.get(REVISION_LABEL)
    if said is None and _registry_of(repository):
        raise DataError(f"the image {repository}:{revision} has no label {REVISION_LABEL}: build it with one")
    if said is not None and said != revision:
        raise DataError(f"the image tagged {repository}:{revision} says that it is {said[:80]!r}: tag the right one")


def _tags(registry: str, name: str) -> list[str]:
    import requests  # noqa: PLC0415 - slow to load
    from docker import auth  # noqa: PLC0415

    # Docker itself talks to a registry at loopback without TLS
    local = registry.partition(":")[0] in {"localhost", "127.0.0.1"}
    url = f"{'http' if local else 'https'}://{registry}/v2/{name}/tags/list"
    found = auth.resolve_authconfig(auth.load_config(), registry) or {}
    login = (found["username"], found["password"]) if found.get("username") and found.get("password") else None
    try:
        tags: list[str] = []
        while url:
            answer = requests.get(url, timeout=TIMEOUT_S, auth=login)
            if answer.status_code == requests.codes.not_found:
                return []
            answer.raise_for_status()
            tags += [str(tag) for tag in answer.json().get("tags") or ()]
            following = str(answer.links["next"]["url"]) if "next" in answer.links else ""
            # another host's page is none of this registry
            url = urljoin(url, following) if following and not urlsplit(following).netloc else ""
        return sorted(tags)
    except (requests.RequestException, ValueError, AttributeError) as error:
        raise UnavailableError(f"the registry {registry} does not list {name}: {str(error)[:200]}") from error

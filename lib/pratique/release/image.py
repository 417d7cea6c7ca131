"""Releases as container images. A revision is a tag, which is resolved once to a digest.

Source: OCI Distribution Specification 1.1 (tags, manifests by digest); OCI Image Specification 1.1, annotations
(`org.opencontainers.image.revision`).
"""

from __future__ import annotations

from typing import Any

from pratique.config import RuntimeSettings, check_name
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, UnavailableError, UsageError
from pratique.release.docker_engine import engine
from pratique.release.model import Release

REVISION_LABEL = "org.opencontainers.image.revision"


def load_image_release(
    service: str, revision: str, settings: RuntimeSettings, *, digest: str | None = None, host: str | None = None
) -> Release:
    """Return the release of a revision. Its image is pulled if necessary, and verified.

    digest: of the image, whatever the tag points to. host: address of the engine; default the first engine.
    Raises: UsageError, MissingError (no such image), DataError (the label names another revision, or the registry
    returned another digest), DeniedError (the registry needs a login), UnavailableError (engine or registry).
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
    """Push the image of a revision to its registry; return its digest in the registry.

    Raises: UsageError (no registry in runtime.docker.image), MissingError, DataError, DeniedError, UnavailableError.
    """
    repository = settings.docker.image
    if not _registry_of(repository):
        raise UsageError(f"runtime.docker.image {repository!r} has no registry: write it as REGISTRY/NAME")
    with engine(settings.docker.hosts[0]) as client:
        _verify(_local(client, repository, revision, None), repository, revision)
        digest = ""
        for event in client.images.push(repository, tag=revision, stream=True, decode=True):
            if "error" in event:
                raise _mapped(event["error"], f"{repository}:{revision}")
            digest = event.get("aux", {}).get("Digest", digest)
    return digest


def current_digest(revision: str, settings: RuntimeSettings) -> str:
    """Return the digest that the tag of a revision has now, in the registry or else in the engine. Nothing is pulled.

    Raises: MissingError (no such image), DeniedError, UnavailableError.
    """
    repository = settings.docker.image
    with engine(settings.docker.hosts[0]) as client:
        if _registry_of(repository):
            return _resolve(client, repository, revision)
        return str(_local(client, repository, revision, None).id)


def list_releases(settings: RuntimeSettings) -> list[str]:
    """Return the revisions in the registry; without a registry, the revisions in the engine.

    Raises: DeniedError (the registry needs a login), UnavailableError.
    """
    repository = settings.docker.image
    registry = _registry_of(repository)
    if registry:
        from pratique.release.image_registry import list_tags  # noqa: PLC0415 - slow to load

        return list_tags(registry, repository.removeprefix(f"{registry}/"))
    with engine(settings.docker.hosts[0]) as client:
        tags = [tag for image in client.images.list(name=repository) for tag in image.tags]
    return sorted(tag.rpartition(":")[2] for tag in tags if tag.rpartition(":")[0] == repository)


def _registry_of(repository: str) -> str:
    """Return the address of the registry; "" for an image that exists only in the engine."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _familiar(repository: str) -> str:
    """Return the name in the engine, which omits the prefix of Docker Hub."""
    return repository.removeprefix("docker.io/library/").removeprefix("docker.io/")


def _resolve(client: Any, repository: str, revision: str) -> str:
    try:
        return str(client.images.get_registry_data(f"{repository}:{revision}").id)
    except Exception as error:
        raise _mapped(error, f"{repository}:{revision}") from error


def _present(client: Any, repository: str, digest: str, settings: RuntimeSettings) -> Any:
    """Return the image of a digest. A missing image is pulled."""
    pinned = f"{repository}@{digest}"
    known = f"{_familiar(repository)}@{digest}"
    there = client.images.list(name=_familiar(repository))
    found = [image for image in there if known in image.attrs.get("RepoDigests", ())]
    if found:
        return found[0]
    if settings.docker.pull == "never":
        raise MissingError(f"the engine has no image {pinned}, and runtime.docker.pull is 'never': pull the image")
    try:
        image = client.images.pull(pinned)
    except Exception as error:
        raise _mapped(error, pinned) from error
    if known not in image.attrs.get("RepoDigests", ()):
        raise DataError(
            f"the registry returned a different image than {pinned}: {image.attrs.get('RepoDigests')!r:.200}"
        )
    return image


def _local(client: Any, repository: str, revision: str, digest: str | None) -> Any:
    name = digest or f"{_familiar(repository)}:{revision}"
    found = [image for image in client.images.list() if name == image.id or name in image.tags]
    if not found:
        there = sorted(tag for image in client.images.list(name=_familiar(repository)) for tag in image.tags)
        raise MissingError.unknown(
            "image", name, there, where="in the engine", hint="build it, or check runtime.docker.image"
        )
    return found[0]


def _verify(image: Any, repository: str, revision: str) -> None:
    """Check the revision in the label of the image, which an image from a registry must have."""
    label = image.labels.get(REVISION_LABEL)
    if label is None and _registry_of(repository):
        raise DataError(f"the image {repository}:{revision} has no label {REVISION_LABEL}: build it with that label")
    if label is not None and label != revision:
        raise DataError(
            f"the image {repository}:{revision} has the revision label {label[:80]!r}: tag the image of {revision}"
        )


def _mapped(error: object, image: str) -> PratiqueError:
    """Return the error for a message of an engine about a registry."""
    text = str(error)
    registry = _registry_of(image)
    if any(word in text for word in ("denied", "unauthorized", "authentication required", "no basic auth")):
        return DeniedError(f"the registry denies access to {image}: run docker login {registry}")
    if "manifest unknown" in text or "NotFound" in type(error).__name__:
        return MissingError(f"no image {image} in the registry: push it first")
    return UnavailableError(f"the registry of {image} does not answer: {text[:200]}: start it, or check the name")

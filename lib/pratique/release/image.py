"""Releases as container images: a revision is a tag, resolved once, and stands for its digest from then on.

Source: OCI Distribution Specification 1.1 (tags, manifests by digest); OCI Image Specification 1.1, annotations
(`org.opencontainers.image.revision`).
"""

from __future__ import annotations

from typing import Any

from pratique.config import RuntimeSettings, check_name
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, UnavailableError, UsageError
from pratique.release.engine import engine
from pratique.release.model import Release

REVISION_LABEL = "org.opencontainers.image.revision"


def load_image_release(
    service: str, revision: str, settings: RuntimeSettings, *, digest: str | None = None, host: str | None = None
) -> Release:
    """The release of a revision, its image present in the engine and verified.

    digest: exactly this image, whatever the tag says now. host: of which engine; default the first.
    Raises: UsageError, MissingError (no such image), DataError (the image says it is another revision, or came
    with another digest), DeniedError (the registry wants another login), UnavailableError (engine or registry).
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

    Raises: UsageError (no registry in runtime.docker.image), MissingError, DataError, DeniedError, UnavailableError.
    """
    repository = settings.docker.image
    if not _registry_of(repository):
        raise UsageError(f"runtime.docker.image {repository!r} names no registry: write it as REGISTRY/NAME")
    with engine(settings.docker.hosts[0]) as client:
        _verify(_local(client, repository, revision, None), repository, revision)
        digest = ""
        for said in client.images.push(repository, tag=revision, stream=True, decode=True):
            if "error" in said:
                raise _mapped(said["error"], f"{repository}:{revision}")
            digest = said.get("aux", {}).get("Digest", digest)
    return digest


def list_releases(settings: RuntimeSettings) -> list[str]:
    """The revisions that the registry has, or the engine where there is no registry: what can be gone back to.

    Raises: DeniedError (the registry wants another login), UnavailableError.
    """
    repository = settings.docker.image
    registry = _registry_of(repository)
    if registry:
        from pratique.release.registry import list_tags  # noqa: PLC0415 - slow to load

        return list_tags(registry, repository.removeprefix(f"{registry}/"))
    with engine(settings.docker.hosts[0]) as client:
        tags = [tag for image in client.images.list(name=repository) for tag in image.tags]
    return sorted(tag.rpartition(":")[2] for tag in tags if tag.rpartition(":")[0] == repository)


def _registry_of(repository: str) -> str:
    """The registry's address; "" for an image of the engine's own."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _familiar(repository: str) -> str:
    """What an engine calls it: of Docker Hub's names it leaves out what goes without saying."""
    return repository.removeprefix("docker.io/library/").removeprefix("docker.io/")


def _resolve(client: Any, repository: str, revision: str) -> str:
    try:
        return str(client.images.get_registry_data(f"{repository}:{revision}").id)
    except Exception as error:
        raise _mapped(error, f"{repository}:{revision}") from error


def _present(client: Any, repository: str, digest: str, settings: RuntimeSettings) -> Any:
    """The image of a digest, pulled where it is missing."""
    pinned = f"{repository}@{digest}"
    known = f"{_familiar(repository)}@{digest}"
    there = client.images.list(name=_familiar(repository))
    found = [image for image in there if known in image.attrs.get("RepoDigests", ())]
    if found:
        return found[0]
    if settings.docker.pull == "never":
        raise MissingError(f"the engine has no image {pinned}, and runtime.docker.pull is never: pull it")
    try:
        image = client.images.pull(pinned)
    except Exception as error:
        raise _mapped(error, pinned) from error
    if known not in image.attrs.get("RepoDigests", ()):
        raise DataError(f"the registry gave another image than {pinned}: {image.attrs.get('RepoDigests')!r:.200}")
    return image


def _local(client: Any, repository: str, revision: str, digest: str | None) -> Any:
    name = digest or f"{_familiar(repository)}:{revision}"
    found = [image for image in client.images.list() if name == image.id or name in image.tags]
    if not found:
        there = sorted(tag for image in client.images.list(name=_familiar(repository)) for tag in image.tags)
        raise MissingError(
            f"the engine has no image {name!r}; it has {', '.join(there[-20:]) or 'none of this name'}: "
            "build it, or check runtime.docker.image"
        )
    return found[0]


def _verify(image: Any, repository: str, revision: str) -> None:
    """Whether the image itself says that it is this revision; one from a registry must."""
    said = image.labels.get(REVISION_LABEL)
    if said is None and _registry_of(repository):
        raise DataError(f"the image {repository}:{revision} has no label {REVISION_LABEL}: build it with one")
    if said is not None and said != revision:
        raise DataError(f"the image tagged {repository}:{revision} says that it is {said[:80]!r}: tag the right one")


def _mapped(error: object, image: str) -> PratiqueError:
    """What an engine says of a registry, for its user."""
    said = str(error)
    registry = _registry_of(image)
    if any(word in said for word in ("denied", "unauthorized", "authentication required", "no basic auth")):
        return DeniedError(f"the registry does not let this user have {image}: run docker login {registry}")
    if "manifest unknown" in said or "NotFound" in type(error).__name__:
        return MissingError(f"no image {image} in the registry: push it first")
    return UnavailableError(f"the registry of {image} does not answer: {said[:200]}: start it, or check the name")

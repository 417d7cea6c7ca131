"""What the Dockerfiles say images are made from, and whether releases are bound to images."""

from __future__ import annotations

import re
from io import BytesIO
from weakref import WeakKeyDictionary

from pratique.maturity.collectors.git import NOT_OURS
from pratique.maturity.collectors.records import link
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.repository import Repository
from pratique.maturity.sources import Sources
from pratique.number_text import plural

NAMES = ("**/Dockerfile", "**/Dockerfile.*", "**/*.Dockerfile", "**/Containerfile")
TOOLS = re.compile(r"(^|/)(\.[\w-]+|ci|cicd|build-tools)/|\.(dockerignore|md|in|j2|tmpl)$", re.IGNORECASE)
"""Images of pipelines and workplaces, and files that are no Dockerfile yet."""
LARGEST = 256 << 10
MOST = 500
_READ: WeakKeyDictionary[Repository, list[tuple[str, list[str], str]]] = WeakKeyDictionary()


def _dockerfiles(sources: Sources) -> list[tuple[str, list[str], str]]:
    """Path, the images that its stages begin with, and why it cannot be read."""
    repository = sources.git
    if repository not in _READ:
        paths = [path for path in repository.matching(NAMES) if not (NOT_OURS.fullmatch(path) or TOOLS.search(path))]
        _READ[repository] = [(path, *_bases(content)) for path, content in repository.read_all(paths[:MOST]).items()]
    return _READ[repository]


def _bases(content: bytes) -> tuple[list[str], str]:
    from dockerfile_parse import DockerfileParser  # noqa: PLC0415 - only where a Dockerfile is read

    if len(content) > LARGEST:
        return [], f"larger than {LARGEST >> 10} KiB"
    try:
        parser = DockerfileParser(fileobj=BytesIO(content))
        images = [str(image) for image in parser.parent_images]
    except Exception as error:  # noqa: BLE001 - the parser raises whatever the file makes it
        return [], f"{type(error).__name__}: {str(error)[:80]}"
    stages = {
        name.casefold()
        for name in re.findall(
            r"^\s*FROM\s.+?\sAS\s+(\S+)\s*$", content.decode("utf-8", "replace"), re.IGNORECASE | re.MULTILINE
        )
    }
    return [image for image in images if image.casefold() not in stages], ""


def family(image: str) -> str:
    """Return the family of an image: its name without registry, tag and digest.

    >>> family("docker.io/library/python:3.12-slim@sha256:0123")
    'python'
    """
    path = image.partition("@")[0]
    name = path.rpartition("/")[2].partition(":")[0]
    return "distroless" if "distroless" in path else name


@collector("images.bases", "repository", strength="declared", presence=True)
def bases(sources: Sources, rule: Rule) -> Evidence:
    """How many families of images the last stages of the Dockerfiles begin with."""
    found = _dockerfiles(sources)
    last = {path: images[-1] for path, images, _ in found if images and "$" not in images[-1]}
    if not last:
        problem = next((f"{path}: {why}" for path, _, why in found if why), "no Dockerfile is tracked")
        return unknown(problem)
    families = sorted({family(image) for image in last.values()})
    return compared(
        rule.model_copy(update={"of": 1}),
        len(families),
        len(last),
        f"{plural(len(last), 'Dockerfile')} with {plural(len(families), 'family', 'families')} of base images: {', '.join(families[:5])}",
        list(last),
    )


@collector("images.pinned", "repository", strength="declared")
def pinned(sources: Sources, rule: Rule) -> Evidence:
    """The share of base images that are pinned by their digest."""
    images = [(path, image) for path, found, _ in _dockerfiles(sources) for image in found if image != "scratch"]
    if not images:
        return unknown("no Dockerfile with a base image is tracked")
    loose = [(path, image) for path, image in images if "@sha256:" not in image]
    names = f": not {loose[0][1][:60]}" if loose else ""
    return share(
        rule.model_copy(update={"of": 1}),
        len(images) - len(loose),
        len(images),
        f"base images are pinned by digest{names}",
        [path for path, _ in loose or images],
    )


@collector("images.bound", "ledger")
def bound(sources: Sources, rule: Rule) -> Evidence:
    """The share of the latest promoted releases that are images bound to a digest."""
    if sources.config is None:
        return unknown("no service file says whether releases are images")
    latest = sources.deployments(rule.days, rule.last)
    images = [
        one
        for one in latest
        if one.digest.startswith("sha256:") and sources.config.service(one.service).runtime.kind != "process"
    ]
    return share(
        rule,
        len(images),
        len(latest),
        "latest promoted releases are images that are bound to a digest",
        [link(sources, one) for one in latest if one not in images],
    )

"""Images: whether they are what their names say, how old they are, and what could be removed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pratique.clock import from_ms
from pratique.doctor.checks.engine import numbers
from pratique.doctor.container import Container
from pratique.doctor.finding import Found, Looked, NotLookedAtError, look_at_each, sizes
from pratique.doctor.look import Look
from pratique.number_text import plural
from pratique.release.image import REVISION_LABEL

VERSION_LABEL, NAME_LABEL = "org.opencontainers.image.version", "org.opencontainers.image.ref.name"
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:$|[-+])")
DISTRIBUTIONS = frozenset(
    [
        "almalinux",
        "alpine",
        "amazonlinux",
        "centos",
        "debian",
        "fedora",
        "opensuse",
        "oraclelinux",
        "rockylinux",
        "ubuntu",
    ]
)
_OS_LINE = re.compile(r"^([A-Z_]+)=\"?([^\"\n]*)\"?$", re.MULTILINE)


def image_mistagged(look: Look) -> Looked:
    """Images whose label or operating system says another version than their tag."""
    images: Mapping[str, Any] = look.part("images")

    def judge(image: str) -> Iterator[Found]:
        told = images[image]
        labels = (told.get("Config") or {}).get("Labels") or told.get("Labels") or {}
        for name in told.get("RepoTags") or ():
            repository, _, tag = str(name).rpartition(":")
            for says in (_label_says(labels, repository, tag), _system_says(look, image, repository, tag)):
                if says:
                    remedy = f"{look.docker('tag', image[:19])} {shlex.quote(f'{repository}:VERSION')} && {look.docker('rmi', str(name))}"
                    yield Found(str(name), says, remedy)

    return look_at_each(images, judge)


def _label_says(labels: Mapping[str, str], repository: str, tag: str) -> str:
    revision = labels.get(REVISION_LABEL)
    if revision and tag not in {revision, "latest"} and _is_revision(revision, tag):
        return f"its label says revision {revision}"
    version, named = _VERSION.match(tag), labels.get(NAME_LABEL)
    said = _VERSION.match(str(labels.get(VERSION_LABEL) or ""))
    # a label that the base image left behind speaks of the base
    if not version or not said or (named and named != repository.rpartition("/")[2]):
        return ""
    return "" if _agree(version[1], said[1]) else f"its label says version {said[1]}"


def _is_revision(revision: str, tag: str) -> bool:
    """Whether a tag is meant as a revision: it has the form of the label. A commit is none."""
    return re.sub(r"\d+", "0", revision) == re.sub(r"\d+", "0", tag)


def _agree(one: str, other: str) -> bool:
    """Whether two versions can be the same: the shorter is the beginning of the longer."""
    pairs = zip(numbers(one), numbers(other), strict=False)
    return all(left == right for left, right in pairs)


def _system_says(look: Look, image: str, repository: str, tag: str) -> str:
    name = repository.rpartition("/")[2]
    used = any(one.image == image for one in look.containers)
    if name not in DISTRIBUTIONS or not used:
        return ""
    told = dict(_OS_LINE.findall(look.of_object("os_release", image)))
    system, version, code = told.get("ID", ""), told.get("VERSION_ID", ""), told.get("VERSION_CODENAME", "")
    if system and name not in {system, "amazonlinux"}:
        return f"its os-release says {system}"
    named = _VERSION.match(tag)
    if named and version and not _agree(named[1], version):
        return f"its os-release says {system} {version}"
    word = tag.partition("-")[0]
    if (
        code
        and word.isalpha()
        and word
        not in {code, "latest", "stable", "oldstable", "testing", "unstable", "slim", "edge", "rolling", "devel"}
    ):
        return f"its os-release says {code}"
    return ""


def latest_runs(look: Look) -> Looked:
    """Containers that were started from a name that can mean another image tomorrow."""

    def judge(one: Container) -> Iterator[Found]:
        name = one.image_name
        if "@sha256:" in name or re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", name):
            return
        tag = name.rpartition("/")[2].partition(":")[2]
        what = (
            "it was started from latest"
            if tag in {"", "latest"}
            else f"it was started by the tag {tag}, which can be moved"
        )
        yield Found(
            one.name,
            what,
            f"{look.docker('run')} --name {one.name} {shlex.quote(name.removesuffix(f':{tag}') or 'IMAGE')}@sha256:…",
        )

    return look.each_running(judge)


def old_base(look: Look) -> Looked:
    """Images whose base was made long ago: its fixes are missing."""
    bound = look.settings.base_max_age_d

    def judge(image: str) -> Iterator[Found]:
        lines = look.of_object("history", image)
        # builders that want equal images set all times to the beginning of 1970 or 1980
        made = [from_ms(int(line.get("Created") or 0) * 1000) for line in lines]
        made = [time for time in made if time > datetime(1981, 1, 1, tzinfo=UTC)]
        if not made:
            raise NotLookedAtError(f"{image[:19]} does not tell when it was made")
        days = (look.now - min(made)).days
        if days > bound:
            name = next((one.image_name for one in look.containers if one.image == image), "") or image[:19]
            yield Found(name, f"its base was made {plural(days, 'day')} ago", "docker build --pull --no-cache …")

    return look_at_each(sorted({one.image for one in look.running}), judge)


def reclaimable(look: Look) -> Looked:
    """Space of images, volumes and caches that nothing uses."""
    use = look.part("disk_use")
    untold = [name for name in ("Images", "Volumes") if name not in use]
    if untold:
        raise NotLookedAtError(f"the engine does not tell the size of {' and '.join(untold)}")
    images = [one for one in use.get("Images") or () if not one.get("Containers") and _is_dangling(one)]
    unused = [one for one in images if one.get("Size")]
    volumes = [one for one in use.get("Volumes") or () if not (one.get("UsageData") or {}).get("RefCount")]
    cache = [one for one in use.get("BuildCache") or () if not one.get("InUse") and not one.get("Shared")]
    parts = (
        (
            "dangling images",
            sum(max(0, int(one["Size"]) - max(0, int(one.get("SharedSize") or 0))) for one in unused),
            look.docker("image", "prune"),
        ),
        (
            "unused volumes",
            sum(max(0, int((one.get("UsageData") or {}).get("Size") or 0)) for one in volumes),
            look.docker("volume", "ls", "--filter", "dangling=true"),
        ),
        ("build cache", sum(int(one.get("Size") or 0) for one in cache), look.docker("builder", "prune")),
    )
    bound = look.settings.reclaimable_mb * 1e6
    return Looked(
        tuple(Found(name, f"{sizes(size)} can be removed", remedy) for name, size, remedy in parts if size > bound),
        len(parts),
    )


def _is_dangling(image: Mapping[str, Any]) -> bool:
    return not [name for name in image.get("RepoTags") or () if name != "<none>:<none>"]


def image_moved(look: Look) -> Looked:
    """Tags of a service's images that are not the content that was released under that name."""
    bound: Mapping[str, Mapping[str, str]] = look.part("bound_images")
    images: Mapping[str, Any] = look.part("images")

    def judge(image: str) -> Iterator[Found]:
        told = images[image]
        known = {image, *(str(one).partition("@")[2] for one in told.get("RepoDigests") or ())}
        for name in told.get("RepoTags") or ():
            repository, _, tag = str(name).rpartition(":")
            wanted = bound.get(repository, {}).get(tag)
            if wanted and wanted not in known:
                yield Found(
                    str(name),
                    f"the ledger knows {tag} as {wanted[:19]}, and this is {image[:19]}",
                    look.docker("rmi", str(name)),
                )

    return look_at_each(images, judge)


def unknown_image(look: Look) -> Looked:
    """Containers of a service that run what the ledger never released."""
    bound: Mapping[str, Mapping[str, str]] = look.part("bound_images")
    images: Mapping[str, Any] = look.part("images")
    digests = {digest for revisions in bound.values() for digest in revisions.values()}

    def judge(one: Container) -> Iterator[Found]:
        told = images.get(one.image) or {}
        names = {str(name).rpartition(":")[0] for name in told.get("RepoTags") or ()} | {
            one.image_name.partition("@")[0].rpartition(":")[0]
        }
        of_a_service = one.is_ours or names & bound.keys()
        known = {one.image, *(str(name).partition("@")[2] for name in told.get("RepoDigests") or ())}
        if of_a_service and not known & digests:
            yield Found(
                one.name,
                f"it runs {one.image_name}, which was never released here",
                f"pratique status {one.own_service}",
            )

    return look.each_running(judge)

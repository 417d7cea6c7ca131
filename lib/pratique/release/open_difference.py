"""Compare two revisions of a service as the ledger knows them, or two paths."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pratique.config import Config, Target
from pratique.errors import MissingError, PratiqueError, UsageError
from pratique.ledger.ledger import Ledger, open_ledger
from pratique.ledger.previous_revision import previous_revision
from pratique.ledger.serving_periods import serving_periods
from pratique.release.bounds import Budget, Deadline, Limits, Unread
from pratique.release.difference import Difference, compare_releases
from pratique.release.directory import digest_of
from pratique.release.find import find_release
from pratique.release.image_archive import SavedImage, is_image, open_image
from pratique.release.image_facts import HIDDEN, Setting
from pratique.release.service_file import compare_service_files
from pratique.release.sides import Given, Progress

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst")
COMMIT_LABEL = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Asked:
    """How to compare. budget_s: seconds for both sides. everything: read equal sides too. progress: called as it goes on."""

    budget_s: float = 60.0
    everything: bool = False
    progress: Progress | None = None

    def limits(self) -> Limits:
        """Return the limits. Raises: UsageError for no time at all."""
        if not 0 < self.budget_s <= 3600:
            raise UsageError(f"a budget of {self.budget_s:g} s: give seconds above 0, up to 3600")
        return Limits(budget_s=self.budget_s)


def is_path(word: str) -> bool:
    """Return whether a word names a saved image or a directory, and no revision: by a separator, or the end of an archive."""
    return "/" in word or word.endswith(ARCHIVES)


def compare_paths(before: str, after: str, asked: Asked) -> Difference:
    """Compare two saved images, or two directories. Raises: MissingError, DataError, DeniedError, UsageError."""
    limits = asked.limits()
    deadline = Deadline(limits.budget_s)
    with ExitStack() as opened:
        sides = [opened.enter_context(_given_path(Path(path), limits, deadline)) for path in (before, after)]
        _require_one_kind(*sides)
        return _compared("", sides, limits, deadline, asked)


def compare_revisions(config: Config, service: str, before: str, after: str, asked: Asked) -> Difference:
    """Compare two revisions of a service by the digests that the ledger has for them.

    before, after: "" for the revision that served before the other, and for the one that serves.
    Raises: MissingError (no such revision, or none before), DataError, DeniedError, UnavailableError, UsageError.
    """
    target = config.target(service)
    limits = asked.limits()
    deadline = Deadline(limits.budget_s)
    ledger = open_ledger(target.state_dir)
    before, after = revisions_of(ledger, service, before, after)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="pratique-diff-")))
        sides: list[Given] = []
        doubts: list[Unread] = []
        for number, revision in enumerate((before, after)):
            place = folder / f"{number}.tar"
            given, note = _given_revision(target, ledger, revision, place, limits, deadline, asked)
            sides.append(given)
            doubts += note
        settings, notes = _service_files(config.file, service, ledger, sides)
        return _compared(service, sides, limits, deadline, asked, settings=settings, notes=notes, doubts=doubts)


def revisions_of(ledger: Ledger, service: str, before: str, after: str) -> tuple[str, str]:
    """Return the two revisions; "" means the one that serves, and the one that served before the other.

    Raises: MissingError.
    """
    periods = serving_periods(ledger.entries(service)) if not (before and after) else []
    if not after:
        if not periods:
            raise MissingError(f"the ledger has no revision of {service!r} that serves: name two revisions or paths")
        after = periods[-1].revision
    return before or previous_revision(periods, after), after


def _compared(
    service: str,
    sides: list[Given],
    limits: Limits,
    deadline: Deadline,
    asked: Asked,
    *,
    settings: Sequence[Setting] = (),
    notes: Sequence[str] = (),
    doubts: Sequence[Unread] = (),
) -> Difference:
    return compare_releases(
        service, sides[0], sides[1], limits=limits, deadline=deadline, service_file=settings, notes=notes, not_known=doubts,
        everything=asked.everything, progress=asked.progress,
    )  # fmt: skip


def _require_one_kind(before: Given, after: Given) -> None:
    if before.kind != after.kind:
        raise UsageError(
            f"{before.name!r} is {_article(before)}, and {after.name!r} {_article(after)}: compare two of the same kind"
        )


def _article(given: Given) -> str:
    return "an image" if given.kind == "image" else "a directory"


@contextmanager
def _given_path(path: Path, limits: Limits, deadline: Deadline) -> Iterator[Given]:
    """Open a path as a side. Raises: MissingError, DataError, DeniedError."""
    if not path.exists():
        raise MissingError(
            f"{str(path)!r} does not exist: name a saved image, a directory, or a service with two revisions"
        )
    if not is_image(path):
        yield Given(str(path), "directory", folder=path)
        return
    image = open_image(path, Budget(limits, deadline))
    try:
        yield Given(str(path), "image", config=image.config, saved=_known(image))
    finally:
        image.close()


def _known(image: SavedImage) -> Callable[[Budget], SavedImage]:
    return lambda _: image


def _given_revision(
    target: Target, ledger: Ledger, revision: str, place: Path, limits: Limits, deadline: Deadline, asked: Asked
) -> tuple[Given, list[Unread]]:
    """Return a revision as a side, and a finding when it changed since its release."""
    bound = (ledger.binding(target.service, revision) or {}).get("digest", "")
    settings = target.settings.runtime
    if settings.kind == "process":
        folder = target.path(settings.releases) / revision
        if not folder.is_dir():
            # the error that lists those that there are
            find_release(target, revision)
        return Given(revision, "directory", bound, folder=folder), _changed_since(folder, revision, bound)
    from pratique.release.saved_image import inspect_image, save_image  # noqa: PLC0415 - docker

    release = find_release(target, revision, digest=bound or None)
    address = settings.docker.hosts[0]

    def saved(budget: Budget) -> SavedImage:
        save_image(address, release.location, place, limits=limits, deadline=deadline, progress=asked.progress)
        return open_image(place, budget)

    return Given(revision, "image", release.digest, inspect_image(address, release.location), saved=saved), []


def _changed_since(folder: Path, revision: str, bound: str) -> list[Unread]:
    """Return a finding when a directory changed since its release."""
    if not bound:
        return []
    try:
        now = digest_of(folder)
    except PratiqueError as error:
        return [Unread("files", revision, str(error))]
    return [] if now == bound else [Unread("files", revision, "its directory changed since its release")]


def _service_files(file: str, service: str, ledger: Ledger, sides: list[Given]) -> tuple[list[Setting], list[str]]:
    """Return the keys of the service file that differ between the commits of both sides."""
    commits: dict[str, list[str]] = {side.name: [] for side in sides}
    for entry in ledger.entries(service, "release"):
        if entry.revision in commits and isinstance(entry.data.get("commit"), str):
            commits[entry.revision].insert(0, entry.data["commit"])
    for side in sides:
        inner = side.config.get("config")
        labels = inner.get("Labels") if isinstance(inner, dict) else None
        label = labels.get(COMMIT_LABEL) if isinstance(labels, dict) else None
        commits[side.name] += [str(label)] if label else []
        commits[side.name].append(side.name)
    settings, notes = compare_service_files(file, service, *(commits[side.name] for side in sides))
    return [*settings, *([] if settings else _configuration(ledger, service, sides))], notes


def _configuration(ledger: Ledger, service: str, sides: list[Given]) -> list[Setting]:
    """Return whether command and environment differ, by the digests that the ledger keeps of them."""
    bound = [(ledger.binding(service, side.name) or {}).get("configuration", "") for side in sides]
    same = bound[0] == bound[1] or not all(bound)
    return [] if same else [Setting("service file", "runtime.command, runtime.env", HIDDEN, HIDDEN)]

"""Compare the content of two releases, and write the page: one HTML file that opens offline, and the difference as JSON beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.errors import UsageError
from pratique.notebook.execute import Progress
from pratique.release.difference import Difference
from pratique.report.given import refuse_numbers
from pratique.report.written_page import ReportPaths, page_paths, reports_folder, run_for_page, save_page

if TYPE_CHECKING:
    from pratique.config import Config

NOTEBOOK = "release_diff"
LONGEST_STEM = 120


@dataclass(frozen=True, kw_only=True)
class OpenedDifference(Difference):
    """A difference with the settings that it was made with. config: the settings."""

    config: Config


def open_difference(
    service: str = "",
    before: str = "",
    after: str = "",
    *,
    budget_s: float = 60.0,
    config: str = "",
    store: str = "",
) -> OpenedDifference:
    """Compare the content of two releases: base, runtimes, packages, configuration, layers and files.

    The arguments are the parameters of a notebook: "" means "not given". before, after: revisions of the service, by the digests
    of the ledger; default: the one that serves, and the one that served before it. Without a service: two paths of saved images or
    of directories. budget_s: seconds for reading both; unread parts are findings. config: path of the service file.
    store: folder or URL, instead of that file's; nothing is read from it.
    Raises: UsageError for wrong arguments; MissingError when there is no such service, revision or file; DataError for a file that
        is no image; ConfigError; UnavailableError (no engine); DeniedError.
    """
    from pratique.config import load  # noqa: PLC0415 - pydantic
    from pratique.release.open_difference import Asked, compare_paths, compare_revisions  # noqa: PLC0415 - slow to load

    refuse_numbers(service=service, before=before, after=after, config=config, store=store)
    settings = load(config, store=store)
    if service:
        found = compare_revisions(settings, service, before, after, Asked(float(budget_s)))
    elif before and after:
        found = compare_paths(before, after, Asked(float(budget_s)))
    else:
        raise UsageError("name a service, or two paths as before and after")
    return OpenedDifference(**vars(found), config=settings)


def save_difference(difference: OpenedDifference, out: str = "") -> ReportPaths:
    """Write the HTML page and the difference as JSON; call it inside release_diff.ipynb, whichever program runs that.

    difference: from `open_difference`. out: a folder, or a file that ends in .html; default reports/ in the state folder.
    Raises: UsageError when called outside a notebook; DeniedError, StorageError.
    """
    from pratique.release.difference_json import difference_json  # noqa: PLC0415 - with it

    place = Path(out) if out else reports_folder(difference.config)
    paths = page_paths(place.absolute(), _stem(difference), "diff")
    names = f"{difference.before.given.name} → {difference.after.given.name}"
    return save_page(NOTEBOOK, paths, f"{difference.service} {names}".strip(), difference_json(difference))


def write_difference(
    config: Config, difference: Difference, out_dir: Path, *, budget_s: float = 60.0, progress: Progress | None = None
) -> ReportPaths:
    """Write the page and the JSON of a difference by running release_diff.ipynb, which is kept beside them.

    config: the settings, from `load_config`. difference: names both sides; the notebook compares them again. out_dir: a folder, or a file that ends in .html.
    budget_s: as for `open_difference`. progress: called with each line that the notebook prints.
    Raises: the errors of `open_difference`; DeniedError, StorageError. The notebook is kept when it fails.
    """
    place = out_dir.absolute()
    sides = [difference.before.given.name, difference.after.given.name]
    names = sides if difference.service else [str(Path(name).absolute()) for name in sides]
    parameters = {
        "service": difference.service,
        "before": names[0],
        "after": names[1],
        "budget_s": float(budget_s),
        "config": config.file,
        "store": config.store.url,
        "out": str(place),
    }
    return run_for_page(NOTEBOOK, page_paths(place, _stem(difference), "diff"), parameters, progress=progress)


def _stem(difference: Difference) -> str:
    return difference_stem(difference.service, *(side.given.name for side in (difference.before, difference.after)))


def difference_stem(service: str, before: str, after: str) -> str:
    """Return the file name of a difference's page without its extension. before, after: revisions, or paths."""
    names = [service, Path(before).name, Path(after).name, "diff"]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(name for name in names if name))[-LONGEST_STEM:].lstrip(".-")

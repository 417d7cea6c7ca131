"""The history of deliveries as a notebook opens it, and as one HTML file with its JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.errors import MissingError
from pratique.notebook.execute import Progress
from pratique.report.given import existing_store, given_time, refuse_numbers
from pratique.report.question import slug
from pratique.report.record import record_page
from pratique.report.written_page import ReportPaths, page_paths, place_for, reports_folder, run_for_page, save_page

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.delivery.history import History, Metrics

NOTEBOOK = "release_history"
WEEKS, MONTHS = 12, 12
"""Periods of `OpenedHistory.weekly` and `monthly`."""


@dataclass(frozen=True)
class OpenedHistory:
    """The histories of one or several services, and the settings that they were read with."""

    histories: tuple[History, ...]
    config: Config

    @property
    def agrees(self) -> bool:
        """Whether the counts agree with each other, as they must."""
        found = [history.metrics for history in self.histories]
        return all(
            m.fail_rate.share.count <= m.fail_rate.at_most.count <= m.frequency.count
            and m.canaries.caught.count <= len(m.canaries.trials)
            for m in found
        )

    @property
    def weekly(self) -> list[Metrics]:
        """The last twelve weeks of the first service, oldest first."""
        from pratique.delivery.history import series  # noqa: PLC0415 - scipy

        return series(self.histories[0], "week", WEEKS)

    @property
    def monthly(self) -> list[Metrics]:
        """The last twelve months of the first service, oldest first."""
        from pratique.delivery.history import series  # noqa: PLC0415 - scipy

        return series(self.histories[0], "month", MONTHS)


def open_history(
    service: str = "", *, start: str = "", end: str = "", repository: str = "", config: str = "", store: str = ""
) -> OpenedHistory:
    """Read how services are delivered, from ledger and git.

    The arguments are the parameters of a notebook: "" means "not given". service: one, several with commas between, or "" for all of the ledger.
    start, end: ISO 8601, UTC unless they have a zone; [start, end); default: the last 90 days. repository: a folder in the git repository; default:
    that of the service file. config: path of the service file. store: folder or URL, instead of that file's.
    Raises: UsageError for a wrong argument; MissingError for a service without a release; ConfigError, DataError.
    """
    from pratique.config import load  # noqa: PLC0415 - pydantic

    refuse_numbers(service=service, start=start, end=end, repository=repository, config=config, store=store)
    settings = load(config, store=store)
    names = tuple(name.strip() for name in service.split(",") if name.strip())
    times = given_time("start", start), given_time("end", end)
    return OpenedHistory(read_histories(settings, names, *times, repository=repository), settings)


def read_histories(
    config: Config,
    services: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    *,
    repository: str = "",
    now: datetime | None = None,
) -> tuple[History, ...]:
    """Return the histories of services; () for all of the ledger. The parameters and errors are those of `open_history`."""
    from pratique.delivery.history import history_of  # noqa: PLC0415 - scipy
    from pratique.ledger import open_ledger  # noqa: PLC0415 - sqlite

    ledger = open_ledger(config.state_dir)
    known = sorted({entry.service for entry in ledger.entries(kind="release") if entry.service})
    if not known:
        raise MissingError(f"no release in {ledger.path}: start one with: pratique release SERVICE REVISION")
    for service in services:
        if service not in known:
            raise MissingError.unknown("service", service, known, where=f"with a release in {str(ledger.path)!r}")
    folder = Path(repository or config.base)
    first = ledger.after(0, 1)[0].time
    return tuple(
        history_of(
            name, ledger.entries(name), folder, start=start, end=end, now=now, open_store=partial(existing_store, config),
            policy=config.service(name).judge,
            since=first,
        )
        for name in services or known
    )  # fmt: skip


def save_history(opened: OpenedHistory, out: str = "", *, record: bool = True) -> ReportPaths:
    """Write the HTML page and the histories as JSON; call it inside release_history.ipynb, whichever program runs that.

    opened: from `open_history`. out: a folder, or a file that ends in .html; default reports/ in the state folder. record: whether the ledger records it.
    Raises: UsageError when called outside a notebook; DeniedError, StorageError.
    """
    place = Path(out) if out else reports_folder(opened.config)
    paths = _paths(place.absolute(), opened.histories)
    title = f"History of {', '.join(history.service for history in opened.histories)}"
    save_page(NOTEBOOK, paths, title, [history.to_json() for history in opened.histories])
    for history in opened.histories if record else ():
        record_page(opened.config, NOTEBOOK, paths, history.service)
    return paths


def write_history(
    config: Config, parameters: Mapping[str, str], *, out_dir: Path | None = None, progress: Progress | None = None
) -> ReportPaths:
    """Write page and JSON by running release_history.ipynb, which is kept beside them.

    config: the settings, from `load_config`. parameters: of `open_history`, without config and store.
    out_dir: a folder, or a file that ends in .html; default reports/ in the state folder. progress: called with each line that the notebook prints.
    Raises: the errors of `open_history`, before a kernel starts; DeniedError, StorageError.
    """
    place = place_for(config, out_dir)
    given: dict[str, Any] = {**parameters, "config": config.file, "store": config.store.url}
    histories = open_history(**given).histories
    # the notebook reads the same period again, so that it writes the page that is named here
    given["end"] = histories[0].metrics.asked.end.isoformat()
    paths = _paths(place, histories)
    return run_for_page(NOTEBOOK, paths, {**given, "out": str(place)}, progress=progress)


def _paths(place: Path, histories: Sequence[History]) -> ReportPaths:
    # the day, so that a scheduled run keeps one page for each day
    day = f"{histories[0].metrics.asked.end:%Y%m%d}"
    stem = "-".join(["history", *(slug(history.service) for history in histories[:3]), day])
    return page_paths(place, stem, "history")

"""Review a team: collect what repository, ledger, runs, store, registry and running services say, and keep the result in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.clock import utc_now
from pratique.errors import DeniedError, MissingError, PratiqueError, UsageError
from pratique.ledger import Entry, open_ledger

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.maturity.answers import AnswerFile
    from pratique.maturity.review import Review
    from pratique.report.written_page import ReportPaths
    from pratique.store.base import Store

NOTEBOOK = "maturity_review"


def review_team(
    config: Config, *, services: Sequence[str] = (), repository: str | Path = ".", model: str = "", since: datetime | None = None,
    answers: str = "",
) -> Review:  # fmt: skip
    """Review a team with all sources that can be read now. Nothing is written.

    config: the settings. services: to review; none: all. repository: a working tree or a bare repository. model: a file or the name of an
    installed model; "": that of the settings. since: where windows start, UTC; default: as the model says, mostly 90 days ago.
    answers: another file of answers than that of the repository.
    Raises: MissingError (no such folder), UsageError (no such service), ConfigError (the model is invalid); DataError, DeniedError (the ledger).
    """
    from pratique.maturity.load import load_model  # noqa: PLC0415 - pydantic
    from pratique.maturity.review import make_review  # noqa: PLC0415
    from pratique.maturity.sources import Sources  # noqa: PLC0415

    folder = Path(repository)
    if not folder.is_dir():
        raise MissingError(f"folder {str(repository)!r} does not exist: check --repository")
    now = utc_now()
    if since is not None and since >= now:
        raise UsageError(f"since {since:%Y-%m-%d %H:%M} is in the future: give an earlier time")
    entries = open_ledger(config.state_dir).entries()
    known = {*config.services, *(entry.service for entry in entries)}
    hint = f"it reads {config.file or 'no service file'}: another one is read with --config"
    for service in services:
        if service not in known:
            raise UsageError.unknown("service", service, sorted(known - {""}), hint=hint)
    return make_review(
        Sources(
            load_model(model or _model_of(config)), now, folder.absolute(), since, tuple(services), config, entries,
            open_store=lambda: _store(config), drift=lambda: _drift(config, services, {entry.service for entry in entries}), digest_of=lambda service, revision: _digest(config, service, revision),
        ),
        _answers(answers, now) if answers else None,
    )  # fmt: skip


def open_review(
    services: Sequence[str] = (), *, repository: str = ".", answers: str = "", since: str = "", model: str = "", config: str = "", store: str = ""
) -> Review:  # fmt: skip
    """Review a team; call it inside maturity_review.ipynb, whose parameters are the arguments: "" means "not given".

    services: to review; none: all. repository: a working tree. answers: another file of answers than that of the repository. since: where windows
    start, ISO 8601. model: a file or the name of an installed model. config: path of the service file. store: folder or URL, instead of that file's.
    Raises: the errors of `review_team`; MissingError for a file of answers that does not exist.
    """
    from pratique.config import load  # noqa: PLC0415 - pydantic
    from pratique.report.given import given_time, refuse_numbers  # noqa: PLC0415 - with it

    refuse_numbers(repository=repository, answers=answers, since=since, model=model, config=config, store=store)
    there = Path(repository, "pratique.toml")
    settings = load(config, store=store)
    if not settings.file and there.is_file():
        settings = load(there, store=store)
    return review_team(
        settings,
        services=tuple(services),
        repository=repository,
        model=model,
        since=given_time("since", since),
        answers=answers,
    )


def save_review(review: Review, out: str = "", *, record: bool = True) -> ReportPaths:
    """Write the page and the review as JSON, and record the review; call it inside maturity_review.ipynb.

    review: from `open_review`. out: a folder, or a file that ends in .html; default reports/ in the state folder. record: whether the ledger records it.
    Raises: UsageError when called outside a notebook; DeniedError, StorageError, BusyError.
    """
    from pratique.report.written_page import page_paths, reports_folder, save_page  # noqa: PLC0415 - papermill

    if review.config is None:
        raise UsageError("this review has no settings: make it with open_review")
    place = (Path(out) if out else reports_folder(review.config)).absolute()
    paths = page_paths(place, _stem(review.made), "review")
    save_page(NOTEBOOK, paths, f"Maturity review {review.made:%Y-%m-%d}", review.to_json())
    if record:
        record_review(review.config, review)
    return paths


def write_review(
    config: Config, *, out: Path, services: Sequence[str] = (), repository: str | Path = ".", model: str = "", since: datetime | None = None,
    answers: str = "",
) -> ReportPaths:  # fmt: skip
    """Write the page and the JSON of a review by running maturity_review.ipynb, which is kept beside them. The ledger does not record it.

    config: the settings, from `load_config`. out: a folder, or a file that ends in .html. The rest is as for `review_team`.
    Raises: the errors of `review_team`; DeniedError, StorageError. The notebook is kept when it fails.
    """
    from pratique.report.written_page import page_paths, run_for_page  # noqa: PLC0415 - papermill

    place = out.absolute()
    paths = page_paths(place, _stem(utc_now()), "review")
    # the notebook makes the review a moment later: it gets the name of the page, and not its folder
    parameters = {
        "services": list(services), "repository": str(Path(repository).absolute()), "since": since.isoformat() if since else "", "model": model,
        "answers": str(Path(answers).absolute()) if answers else "",
        "config": config.file, "store": config.store.url, "out": str(paths.html), "record": False,
    }  # fmt: skip
    return run_for_page(NOTEBOOK, paths, parameters, progress=None)


def _stem(made: datetime) -> str:
    return f"maturity-{made:%Y%m%d-%H%M%S}"


def record_review(config: Config, review: Review, *, who: str | None = None) -> Entry:
    """Write a review into the ledger, so that the next one can show what moved. Raises: as `Ledger.append`."""
    config.make_state_folder()
    return open_ledger(config.state_dir).append("review", "", who=who, data=review.entry(), time=review.made)


def _answers(path: str, now: datetime) -> AnswerFile:
    from pratique.maturity.answers import LARGEST, parse_answers  # noqa: PLC0415 - pydantic

    try:
        with Path(path).open("rb") as file:
            # a byte more than can be read, which is then a finding
            return replace(parse_answers(file.read(LARGEST + 1), now.date(), name=path), path=Path(path))
    except FileNotFoundError:
        raise MissingError(f"answers {path!r} do not exist: check the path") from None
    except OSError as error:
        raise DeniedError(f"answers {path!r} cannot be read: {error.strerror}") from error


def _model_of(config: Config) -> str:
    name = config.maturity.model
    return str(config.path(name)) if name.endswith(".toml") else name


def _store(config: Config) -> Store:
    from pratique.store import open_store  # noqa: PLC0415 - deltalake

    return open_store(config.store)


def _drift(config: Config, services: Sequence[str], recorded: AbstractSet[str]) -> Mapping[str, Sequence[str] | None]:
    """What differs from what was set, for each service; None for one that does not run here or cannot be asked.

    recorded: the services of the ledger. One that is not there was never put in place, and cannot differ.
    """
    seen = {name: _differences(config, name) for name in services or config.services}
    return {name: found for name, found in seen.items() if found is not None or name in recorded}


def _differences(config: Config, service: str) -> Sequence[str] | None:
    from pratique.status import describe  # noqa: PLC0415 - docker

    try:
        state = describe(config.target(service))
    except PratiqueError:
        return None
    whole = state.weights is not None and state.error is None
    return state.drift if whole or state.drift else None


def _digest(config: Config, service: str, revision: str) -> str:
    from pratique.release.find import current_digest  # noqa: PLC0415 - docker

    return current_digest(config.target(service), revision)

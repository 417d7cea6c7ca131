"""`pratique review` and `pratique answer`: where a team stands in a maturity model, from evidence."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from pratique.cli.completion import complete_practices
from pratique.cli.options import DONE_EPILOG, PATH, Time, config_options, json_object, load_config
from pratique.cli.progress import progress_bar
from pratique.clock import utc_now
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config

REVIEW_EPILOG = """\b
Exit status: 0 reviewed, whatever the levels are,
64 and above for wrong usage or a failure."""
ANSWERS = ("yes", "no", "partly", "not applicable", "not wanted")


class Day(click.ParamType[date]):
    """A day on the command line: 2027-03-31."""

    name = "day"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day: write it as 2027-03-31", param, ctx)


repository_option = click.option(
    "--repository",
    type=PATH,
    default=".",
    metavar="FOLDER",
    help="The repository: a working tree or a bare repository. Default: the working folder.",
)
model_option = click.option(
    "--model",
    default="",
    metavar="FILE",
    help="Another model: a file, or minimumcd, which is installed. Default: that of the service file.",
)


@click.command("review", epilog=REVIEW_EPILOG)
@repository_option
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="SERVICE",
    help="Review this service only. Repeatable. Default: all.",
)
@model_option
@click.option(
    "--since",
    type=Time(),
    metavar="TIME",
    help="Start of the windows. Default: as the model says, usually 90 days ago.",
)
@click.option(
    "--questions", "every_question", is_flag=True, help="List every question to the team, not only the first five."
)
@click.option(
    "--out",
    type=PATH,
    metavar="PATH",
    help="Also write the review: the page into a folder that exists or a file that ends in .html, otherwise a file with JSON (.json) or text.",
)
@click.option(
    "--answers",
    type=PATH,
    default="",
    metavar="FILE",
    help="Another file of answers. Default: maturity/answers.toml of the repository.",
)
@click.option("--no-record", is_flag=True, help="Do not write the review into the ledger.")
@json_object
@config_options
def review(
    repository: str, services: tuple[str, ...], model: str, since: datetime | None, every_question: bool, out: str | None, answers: str, no_record: bool,
    as_json: bool, config: str | None, store: str | None,
) -> None:  # fmt: skip
    """Review the maturity of delivery, and propose next steps.

    It reads the repository and its pipelines, test results, the ledger, runs, the store, the registry and the running services. A practice without
    evidence or an answer is shown as unknown, and never counts as met. The review is recorded in the ledger, and the next one shows what changed.

    \b
    pratique review
    pratique review --repository ../shop --service shop --out review.json
    pratique review --model minimumcd --no-record
    """
    from pratique.maturity.text import review_lines  # noqa: PLC0415 - pydantic
    from pratique.review import record_review, review_team, write_review  # noqa: PLC0415

    place = _place(out)
    settings = _settings(config, store, repository)
    found = review_team(settings, services=services, repository=repository, model=model, since=since, answers=answers)
    if place == "page":
        # before the ledger has this review: the page shows what changed since the one before
        with progress_bar("page"):
            paths = write_review(
                settings,
                out=Path(str(out)),
                services=services,
                repository=repository,
                model=model,
                since=since,
                answers=answers,
            )
        click.echo(str(paths), err=as_json)
    if not no_record:
        record_review(settings, found)
    text = "\n".join(review_lines(found, every_question=every_question))
    data = json.dumps(found.to_json(), allow_nan=False, ensure_ascii=not out)
    if out is not None and place != "page":
        from pratique.report.written_page import write_text  # noqa: PLC0415 - only here

        write_text(Path(out), f"{data if place == 'json' else text}\n")
    click.echo(data if as_json else text)


def _place(out: str | None) -> str:
    """What a path asks for: "page", "json" or "text". Raises: UsageError for a file that is none of these."""
    from pratique.report.place import FILES, check_place, is_page  # noqa: PLC0415 - only here

    if out is None:
        return ""
    end = Path(out).suffix.casefold()
    if is_page(out) or out.endswith("/") or Path(out).is_dir():
        check_place(out)
        return "page"
    if end in FILES - {".json", ".txt", ".md"}:
        raise UsageError(
            f"out {out!r}: give a folder that exists, or a file that ends in .html for the page, in .json for JSON, or in .txt for text"
        )
    return "json" if end == ".json" else "text"


@click.command("answer", epilog=DONE_EPILOG)
@click.argument("item", shell_complete=complete_practices)
@click.argument("answer", metavar="ANSWER", type=click.Choice(ANSWERS, case_sensitive=False))
@click.option("--why", default="", metavar="TEXT", help="The reason. Required for 'not applicable' and 'not wanted'.")
@click.option(
    "--until",
    type=Day(),
    metavar="DAY",
    help="The last day on which the answer is valid, at most a year ahead. Default: 180 days ahead.",
)
@click.option("--link", default="", metavar="URL", help="A page with the evidence.")
@click.option(
    "--who", default="", metavar="NAME", help="The person who answers, as git knows them. Default: user.name of git."
)
@repository_option
@model_option
@config_options
def answer(
    item: str, answer: str, why: str, until: date | None, link: str, who: str, repository: str, model: str, config: str | None, store: str | None
) -> None:  # fmt: skip
    """Answer a question of the review for the team.

    The answer is written into maturity/answers.toml of the repository. ITEM is the id of a practice, such as culture.one-backlog. ANSWER is yes, no, partly, "not applicable" or "not wanted".
    Commit the file: an answer that is not committed is a finding of the review.

    \b
    pratique answer culture.one-backlog yes --why "one board for features and faults" --link https://tracker.example/board/7
    pratique answer design.database-versioned "not applicable" --why "the service has no database"
    """
    from pratique.errors import PratiqueError  # noqa: PLC0415 - with the rest
    from pratique.ledger import current_user  # noqa: PLC0415 - sqlite
    from pratique.maturity.answers import answer_of, write_answer  # noqa: PLC0415 - pydantic
    from pratique.maturity.load import load_model  # noqa: PLC0415
    from pratique.maturity.repository import Repository  # noqa: PLC0415

    settings = _settings(config, store, repository)
    named = model or (
        str(settings.path(settings.maturity.model))
        if settings.maturity.model.endswith(".toml")
        else settings.maturity.model
    )
    found = load_model(named).find(item)
    folder = Repository(Path(repository))
    if folder.is_bare:
        raise UsageError(f"{repository!r} is a bare repository: answer in a working tree")
    try:
        name = who or folder.user()
    except PratiqueError:
        name = ""
    given = answer_of(
        found.id, answer, who=name or current_user(), today=utc_now().date(), until=until, why=why, link=link
    )
    path = write_answer(folder.root, given)
    click.echo(f"{found.id}: {given.sentence}\nwrote {path}: commit it")
    if found.needs_link and given.answer == "yes" and not given.link.strip():
        click.echo("the yes counts only with a link that shows it: answer again with --link")


def _settings(config: str | None, store: str | None, repository: str) -> Config:
    """The settings of the working folder, or else of the repository."""
    there = Path(repository, "pratique.toml")
    found = load_config(config, store)
    return load_config(str(there), store) if not found.file and there.is_file() else found


COMMANDS = (review, answer)

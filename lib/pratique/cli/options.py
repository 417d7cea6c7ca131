"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from pratique.cli.completion import complete_revisions, complete_services
from pratique.clock import utc_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pratique.config import Config

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

EPILOG = """\b
Exit status: 0 promote (or done), 1 rollback, 2 inconclusive or continue,
64 and above for wrong usage or a failure."""

DONE_EPILOG = """\b
Exit status: 0 done, 64 and above for wrong usage or a failure."""


class Time(click.ParamType[datetime]):
    """A point in time on the command line: ISO 8601, UTC unless it has a zone."""

    name = "time"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return utc_of(value)
        except ValueError:
            self.fail(
                f"{value!r:.80} is not a time of the years 1970 to 9998: write it as 2026-11-20T14:00 (UTC) or with a zone, +01:00",
                param,
                ctx,
            )


UNIT_MIN = {"s": 1 / 60, "m": 1.0, "min": 1.0, "h": 60.0, "d": 1440.0, "": 1.0}
"""Minutes in a unit of time."""


class Minutes(click.ParamType[float]):
    """A length of time on the command line: 90s, 45m, 2h; a number alone is minutes. Its value is in minutes."""

    name = "time"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(s|m|min|h|d|)", str(value).strip())
        if not found or not float(found[1]):
            self.fail(f"{value!r} is not a length of time: write it as 45m, 90s or 2h", param, ctx)
        return float(found[1]) * UNIT_MIN[found[2]]


class PagePlace(click.ParamType[str]):
    """A folder of pages or, with `page`, the page itself. Anything else is refused before the work begins."""

    name = "path"

    def __init__(self, *, page: bool = True) -> None:
        """page: whether a file that ends in .html is taken, too."""
        self._page = page

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pratique.report.place import check_place  # noqa: PLC0415 - only here

        check_place(value, page=self._page)
        return str(value)

    @override
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return PATH.shell_complete(ctx, param, incomplete)


PATH = click.Path(readable=False)
"""A path, for completion; whether it can be read or written is the library's to say, with its own exit status."""
service_argument = click.argument("service", shell_complete=complete_services)
json_array = click.option("--json", "as_json", is_flag=True, help="Print one JSON array and nothing else.")
json_object = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def out_option(
    help_text: str = "Write the page, its JSON and the executed notebook there.", default: str = ""
) -> Decorator:
    """Return the decorator for the place of a page. help_text: the written page. default: where it goes without the option; "": nowhere."""
    takes = " A folder, or a file that ends in .html: the other files go beside it."
    last = f" Default: {default}." if default else ""
    return click.option("--out", type=PagePlace(), metavar="PATH", help=f"{help_text}{takes}{last}")


def folder_option(help_text: str) -> Decorator:
    """Return the decorator for a folder of several pages. help_text: what it is for, and the default."""
    return click.option("--out", type=PagePlace(page=False), metavar="FOLDER", help=help_text)


def alpha_option(help_text: str) -> Decorator:
    """Return the decorator for the chance of a wrong answer. help_text: what chance it is."""
    return click.option(
        "--alpha",
        type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
        default=0.01,
        metavar="NUMBER",
        help=f"{help_text} Default: 0.01.",
    )


def revision_argument(name: str = "revision", *, required: bool = True) -> Decorator:
    """Return the decorator for an argument that is a revision of the service."""
    return click.argument(name, required=required, shell_complete=complete_revisions)


config_option = click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    help="The service file. Default: pratique.toml in the working folder, if it exists.",
)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the service file, which every command has."""
    store = click.option("--store", type=PATH, metavar="PATH-or-URL", help="The store; overrides the service file.")
    return config_option(store(command))


def load_config(path: str | None, store: str | None) -> Config:
    """Read the service file. Raises: ConfigError, MissingError, DeniedError."""
    # pydantic is not needed for help
    from pratique.config import load  # noqa: PLC0415
    from pratique.config.state_folder import close_state_folder  # noqa: PLC0415

    config = load(path, store=store)
    with suppress(OSError):
        # an older version made it as the umask said
        close_state_folder(config.state_dir, Path(config.base))
    return config

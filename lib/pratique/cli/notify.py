"""`pratique notify`: the routes of notifications, what waits for them, and a test of each."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from pratique.cli.colours import paint_phrase
from pratique.cli.options import config_options, json_array, load_config
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config

NO_ROUTES = "no route: write a table [[notify]] into the service file; see pratique config notify"


@click.command(
    "notify", epilog="Exit status: 0 all routes work, 1 one does not, 64 and above for wrong usage or a failure."
)
@click.option("--test", "is_test", is_flag=True, help="Send a text to each route, and say what came of it.")
@json_array
@config_options
def notify_command(is_test: bool, as_json: bool, config: str | None, store: str | None) -> None:
    """Show where notifications go, and what waits; or test the routes.

    \b
    pratique notify          each route, what waits for it, and why it fails
    pratique notify --test   send a text to each route
    """
    settings = load_config(config, store)
    if is_test and not settings.notify:
        raise UsageError(NO_ROUTES)
    sys.exit(_test(settings, as_json=as_json) if is_test else _show(settings, as_json=as_json))


def _test(settings: Config, *, as_json: bool) -> int:
    from pratique.notify.overview import test_routes  # noqa: PLC0415 - sqlite

    rows, well = [], True
    for route, result in test_routes(settings):
        well = well and result.ok
        rows.append({"route": route.route, "ok": result.ok, "reason": result.reason})
        if not as_json:
            click.echo(
                paint_phrase(f"{route.route}: {'arrived' if result.ok else f'failed: {result.reason}'}", "failed")
            )
    if as_json:
        click.echo(json.dumps(rows))
    return 0 if well else 1


def _show(settings: Config, *, as_json: bool) -> int:
    from pratique.notify import send_waiting  # noqa: PLC0415 - sqlite
    from pratique.notify.overview import overview, use_routes  # noqa: PLC0415

    use_routes(settings)
    send_waiting(settings.state_dir)
    found = overview(settings)
    if as_json:
        click.echo(json.dumps([route.to_json() for route in found]))
    else:
        for route in found:
            click.echo(paint_phrase(f"{route.settings.route}: {route.to_text()}", "fails", "given up"))
        if not found:
            click.echo(NO_ROUTES)
    return int(any(route.state is not None and route.state.failing_since is not None for route in found))


COMMANDS = (notify_command,)

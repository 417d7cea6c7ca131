"""`pratique store setup`: make bucket and tokens in InfluxDB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pratique.cli.colours import paint_start
from pratique.cli.options import DONE_EPILOG, PATH, config_options, load_config
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.store.influxdb.address import InfluxAddress
    from pratique.store.influxdb.client import InfluxClient


@click.command("setup", epilog=DONE_EPILOG)
@click.option(
    "--admin-token",
    metavar="REFERENCE",
    default="env:INFLUX_ADMIN_TOKEN",
    help="Where the token is that may do all this: env:NAME or file:PATH. Default: env:INFLUX_ADMIN_TOKEN.",
)
@click.option(
    "--token-file",
    type=PATH,
    metavar="FILE",
    help="The file for the token of the collector. Default: that of the service file, else store-write.token beside it.",
)
@click.option(
    "--read-token-file",
    type=PATH,
    metavar="FILE",
    help="The file for the token of reports. Default: that of the service file, else store-read.token beside it.",
)
@config_options
def setup_command(
    admin_token: str, token_file: str | None, read_token_file: str | None, config: str | None, store: str | None
) -> None:
    """Make bucket and tokens in InfluxDB.

    `store.url` names the server, the organisation and the bucket. Everything that is missing is made, with the retention of the service file, and two
    tokens are written into files that only you can read: one for the collector, which writes and reads, and one for reports, which only
    reads. What exists is kept: run it again at any time.

    \b
    pratique store setup --store influxdb://127.0.0.1:8086/shop/releases --admin-token file:admin.token
    """
    from pratique.store.influxdb.settings_lines import lines_for  # noqa: PLC0415 - influxdb_client
    from pratique.store.influxdb.setup import set_up_store  # noqa: PLC0415 - influxdb_client

    settings = load_config(config, store)
    address, base = _influxdb_address(settings), Path(settings.base).absolute()
    files = [
        Path(given).absolute() if given else Path(base, named or default)
        for given, named, default in (
            (token_file, settings.store.token_file, "store-write.token"),
            (read_token_file, settings.store.read_token_file, "store-read.token"),
        )
    ]
    steps = set_up_store(
        _admin_client(settings, address, admin_token),
        address,
        retention_s=round(settings.store.retention_days * 86_400),
        token_file=files[0],
        read_token_file=files[1],
    )
    for step in steps:
        click.echo(paint_start(f"{step.state:<8} {step.text}"))
    for line in lines_for(settings, *files):
        click.echo(line)


def _influxdb_address(config: Config) -> InfluxAddress:
    """Raises: UsageError when the store needs no setup."""
    from pratique.store import require_writable  # noqa: PLC0415 - pyarrow
    from pratique.store.influxdb.address import InfluxAddress  # noqa: PLC0415 - influxdb_client
    from pratique.store.location import shown  # noqa: PLC0415 - deltalake

    if config.store.is_points:
        require_writable(config.store)
    if not config.store.is_influxdb:
        raise UsageError(
            f"store {shown(config.store.url)!r} needs no setup: the first write makes it; for InfluxDB set store.url to "
            "influxdb://HOST:PORT/ORGANISATION/BUCKET"
        )
    return InfluxAddress.of(config.store.url)


def _admin_client(config: Config, address: InfluxAddress, reference: str) -> InfluxClient:
    from pratique.release.secrets import is_reference, resolve_env  # noqa: PLC0415 - only for this command
    from pratique.store.influxdb.client import InfluxClient  # noqa: PLC0415 - influxdb_client

    if not is_reference(reference):
        raise UsageError("--admin-token takes a reference, env:NAME or file:PATH, and never the token itself")
    token = resolve_env({"--admin-token": reference}, Path())["--admin-token"].strip()
    return InfluxClient.of(address, token, config.store)

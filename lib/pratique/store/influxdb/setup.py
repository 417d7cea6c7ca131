"""Make everything that a store in InfluxDB needs: the organisation, the bucket, and a token for each use.

Run again, it changes nothing: what exists and works is kept. Nothing is ever deleted, no retention is made shorter, and no
token file is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pratique.config import StoreSettings
from pratique.errors import DeniedError, MissingError, PratiqueError, StorageError, UnavailableError, UsageError
from pratique.files import PRIVATE, replace_file
from pratique.store.influxdb.access import may_read, may_write
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.bucket_reader import kind_of
from pratique.store.influxdb.client import Bucket, InfluxClient
from pratique.store.influxdb.tokens import write_token

WITH_TOKENS = 2
"""The kind of server whose tokens and buckets this makes."""
SHORTEST_S = 3600
"""The shortest retention that InfluxDB accepts."""


@dataclass(frozen=True)
class TokenUse:
    """What a token is for. description: as the server lists it. actions: its permissions for the bucket."""

    title: str
    description: str
    actions: Sequence[str]


COLLECTOR = TokenUse("the collector (read and write)", "pratique: collector, bucket {bucket}", ("read", "write"))
REPORTS = TokenUse("reports (read only)", "pratique: reports, bucket {bucket}", ("read",))


@dataclass(frozen=True)
class Step:
    """One thing of a setup. state: "made" or "changed" now, "kept" as it was, or "warning" for what a person should decide."""

    state: str
    text: str


def set_up_store(
    admin: InfluxClient,
    address: InfluxAddress,
    *,
    retention_s: int,
    token_file: Path,
    read_token_file: Path,
) -> list[Step]:
    """Make organisation, bucket and tokens where they are missing; return what was made and what was kept.

    admin: a client with a token that may do this. retention_s: of the bucket, 0 keeps all. token_file, read_token_file:
    new files, readable by their owner only; existing ones must hold a token that works.
    Raises: UsageError, DeniedError, UnavailableError, DataError; StorageError when a file cannot be written.
    """
    if token_file == read_token_file:
        raise UsageError(f"both tokens would be written to {str(token_file)!r}: give two files")
    if 0 < retention_s < SHORTEST_S:
        raise UsageError(
            "InfluxDB keeps windows for an hour at least: set store.retention_days to 0.05 or more, or to 0"
        )
    version = admin.ping()
    if kind_of(version) != WITH_TOKENS:
        raise UsageError(
            f"the server is InfluxDB {version}: setup is for InfluxDB 2; create database and token with its own program, "
            "influx or influxdb3, and name the token's file in store.token_file"
        )
    if not admin.is_set_up():
        raise UnavailableError(
            f"the server {admin.server} has no user yet: run influx setup, or open it in a browser, and use its token here"
        )
    try:
        steps = [_organisation(admin)]
        bucket, made = _bucket(admin, address.bucket, retention_s)
    except DeniedError as error:
        raise DeniedError(f"the admin token may not set up {address.url}: use an operator token: {error}") from error
    steps += made
    for use, file in ((COLLECTOR, token_file), (REPORTS, read_token_file)):
        steps += _token(admin, bucket, use, file)
    return steps


def _organisation(admin: InfluxClient) -> Step:
    if admin.organisation_id() is not None:
        return Step("kept", f"organisation {admin.organisation!r}")
    admin.create_organisation()
    return Step("made", f"organisation {admin.organisation!r}")


def _bucket(admin: InfluxClient, name: str, retention_s: int) -> tuple[Bucket, list[Step]]:
    bucket = admin.bucket(name)
    if bucket is None:
        made = admin.create_bucket(name, retention_s=retention_s)
        return made, [Step("made", f"bucket {name!r}: {retention_text(retention_s)}")]
    if bucket.retention_s == retention_s:
        return bucket, [Step("kept", f"bucket {name!r}: {retention_text(retention_s)}")]
    if bucket.retention_s and (not retention_s or bucket.retention_s < retention_s):
        before = retention_text(bucket.retention_s)
        longer = admin.set_retention(bucket, retention_s)
        return longer, [Step("changed", f"bucket {name!r}: {retention_text(retention_s)} (it was: {before})")]
    # a shorter one deletes data, which nobody asked for
    return bucket, [
        Step("kept", f"bucket {name!r}: {retention_text(bucket.retention_s)}"),
        Step(
            "warning",
            f"store.retention_days is {retention_s / 86_400:g}: to delete older windows, run influx bucket update "
            f"--id {bucket.id} --retention {retention_s}s",
        ),
    ]


def _token(admin: InfluxClient, bucket: Bucket, use: TokenUse, file: Path) -> list[Step]:
    if file.exists():
        return [_kept_token(admin, bucket, use, file)]
    description = use.description.format(bucket=bucket.name)
    earlier = [found.id for found in admin.authorizations() if found.description == description and found.active]
    made = admin.create_authorization(description, bucket, use.actions)
    try:
        replace_file(file, f"{made.token}\n", mode=PRIVATE)
    except OSError as error:
        with suppress(PratiqueError):
            admin.delete_authorization(made)
        raise StorageError(
            f"the token file {str(file)!r} cannot be written: {error.strerror}: choose another one"
        ) from error
    steps = [Step("made", f"token for {use.title}, in {file}")]
    if earlier:
        steps.append(
            Step(
                "warning",
                f"an earlier token {description!r} (id {earlier[0]}) still works: revoke it if nothing uses it",
            )
        )
    return steps


def _kept_token(admin: InfluxClient, bucket: Bucket, use: TokenUse, file: Path) -> Step:
    client = admin.with_token(write_token(StoreSettings(token_file=str(file))))
    try:
        may_read(client, bucket.name)
        if "write" in use.actions:
            may_write(client, bucket.name)
    except (DeniedError, MissingError) as error:
        raise DeniedError(
            f"the token in {str(file)!r} does not work for bucket {bucket.name!r} as {use.title}: remove the file to get a "
            "new one, or choose another file"
        ) from error
    if "write" not in use.actions and _writes(client, bucket.name):
        return Step(
            "warning", f"the token for {use.title} in {file} may write too: remove the file to get one that may not"
        )
    return Step("kept", f"token for {use.title}, in {file}")


def _writes(client: InfluxClient, bucket: str) -> bool:
    try:
        may_write(client, bucket)
    except DeniedError:
        return False
    return True


def retention_text(retention_s: int) -> str:
    """Return a retention in words."""
    return f"windows are kept for {retention_s / 86_400:g} days" if retention_s else "all windows are kept"

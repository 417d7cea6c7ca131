"""Checks of a store in InfluxDB: the server, its clock, the bucket, and the tokens for writing and reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from pratique.check.finding import Check, SkippedError, WarnedError
from pratique.clock import from_ms, iso, now_ms, utc_now
from pratique.config import StoreSettings
from pratique.errors import DataError, DeniedError, PratiqueError, UnavailableError
from pratique.store.influxdb.access import may_read, may_write
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.bucket_reader import kind_of, reader_of
from pratique.store.influxdb.client import Bucket, InfluxClient
from pratique.store.influxdb.setup import retention_text
from pratique.store.influxdb.tokens import read_token, write_token
from pratique.store.influxdb.writers import sources_with_several

URL = "store.url"
SKEW_S = 5.0
"""The server tells its time in whole seconds, and an answer takes a while."""
UNFINISHED_MS = 600_000
"""A write takes seconds; a collector that was restarted repeats it at once."""
LOOK_BACK = timedelta(hours=1)
"""The windows in which two writers of a source are looked for."""
WITH_BUCKETS, WITHOUT_HEALTH = 2, 3
"""Kinds of servers: the one whose buckets tell their retention, and the one whose /health is a mere OK."""
TESTED = {1: " (tested against recorded answers only)", 2: "", 3: " (tested against recorded answers only)"}


def influxdb_checks(settings: StoreSettings) -> Iterator[Check]:
    """Yield the checks of a store in InfluxDB."""
    look = InfluxLook(settings)
    yield Check(URL, look.server)
    yield Check(URL, look.clock)
    yield Check("store.token", look.write_token)
    if settings.read_token_env or settings.read_token_file:
        yield Check("store.read_token", look.read_token)
    yield Check("store.retention_days", look.retention)
    yield Check(URL, look.unfinished_writes)
    yield Check(URL, look.writers)


class InfluxLook:
    """Looks at a server and a bucket. What follows from a server that does not answer is not reported again."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._kind: int | None = None

    @property
    def answers(self) -> bool:
        """Whether the server has answered, once `server` has looked."""
        return self._kind is not None

    def server(self) -> str:
        """Whether the server answers, is ready, and has a version that Pratique knows."""
        client = self._anyone()
        version = client.ping()
        kind = kind_of(version)
        # InfluxDB 3 says no more there than that it answers
        if kind != WITHOUT_HEALTH and client.health() != "pass":
            raise UnavailableError(f"InfluxDB {version} answers, and says that it is not ready: see its log")
        self._kind = kind
        return f"InfluxDB {version} answers at {client.server}{TESTED[kind]}"

    def clock(self) -> str:
        """Whether the clocks of the server and of this machine agree."""
        self._require_answer()
        there = self._anyone().server_time()
        if there is None:
            raise SkippedError("the server does not tell its time")
        skew_s = (there - utc_now()).total_seconds()
        if abs(skew_s) > SKEW_S:
            side = "ahead of" if skew_s > 0 else "behind"
            raise WarnedError(f"the server's clock is {abs(skew_s):,.0f} s {side} the clock here: set them by NTP")
        return "the server's clock agrees with the clock here"

    def write_token(self) -> str:
        """Whether the collector's token writes, and reads unless another token is for that."""
        self._require_answer()
        bucket = self._address().bucket
        try:
            client = self._client(write_token(self._settings))
        except DeniedError as error:
            if self._reads_apart():
                raise SkippedError(f"this machine can only read: {error}") from error
            raise
        if not self._reads_apart():
            may_read(client, bucket)
        self._require_buckets()
        try:
            may_write(client, bucket)
        except DeniedError as error:
            raise DeniedError(
                f"the token may not write to bucket {bucket!r}: the collector needs one that does ({error})"
            ) from error
        return f"the token {'writes' if self._reads_apart() else 'reads and writes'} bucket {bucket!r}"

    def read_token(self) -> str:
        """Whether the token of reports reads, and no more."""
        self._require_answer()
        bucket = self._address().bucket
        client = self._client(read_token(self._settings))
        may_read(client, bucket)
        self._require_buckets()
        with suppress(DeniedError):
            may_write(client, bucket)
            raise WarnedError(
                f"the token for reading may also write to bucket {bucket!r}: give reports one that only reads"
            )
        return f"the token reads bucket {bucket!r}"

    def retention(self) -> str:
        """Whether the bucket keeps windows as long as the service file says."""
        self._require_answer()
        self._require_buckets()
        wanted_s = round(self._settings.retention_days * 86_400)
        bucket = self._bucket()
        if bucket.retention_s and (not wanted_s or bucket.retention_s < wanted_s):
            wanted = f"{self._settings.retention_days:g} days" if wanted_s else "all windows"
            raise DataError(
                f"bucket {bucket.name!r}: {retention_text(bucket.retention_s)}, shorter than store.retention_days "
                f"({wanted}): lengthen it with pratique store setup, or change the key"
            )
        if bucket.retention_s != wanted_s:
            raise WarnedError(
                f"bucket {bucket.name!r}: {retention_text(bucket.retention_s)}, longer than store.retention_days "
                f"({self._settings.retention_days:g} days): more disk is used than the service file says"
            )
        return f"bucket {bucket.name!r}: {retention_text(bucket.retention_s)}"

    def unfinished_writes(self) -> str:
        """Whether a writer was killed and has not repeated its write: nobody can read its windows until then."""
        self._require_answer()
        try:
            marks = reader_of(self._client(read_token(self._settings)), self._address().bucket).marks()
        except PratiqueError as error:
            raise SkippedError("not looked at: the token may not read the bucket") from error
        stale = [mark for mark in marks if not mark.done and mark.began_ms < now_ms() - UNFINISHED_MS]
        if stale:
            first = min(stale, key=lambda mark: mark.began_ms)
            raise WarnedError(
                f"a write of {iso(from_ms(first.began_ms))} to service {first.service!r} by {first.source[:80]!r} has not ended, "
                "so its windows cannot be read: start the collector or repeat the import"
            )
        return "every write has ended"

    def writers(self) -> str:
        """Whether two processes write the same source: each hides from readers what the other one is writing."""
        self._require_answer()
        self._require_buckets()
        client, now = self._client(read_token(self._settings)), utc_now()
        try:
            found = sources_with_several(client, self._address().bucket, now - LOOK_BACK, now + LOOK_BACK)
        except PratiqueError as error:
            raise SkippedError("not looked at: the token may not read the bucket") from error
        if found:
            service, source = found[0]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise WarnedError(
                f"two processes write source {source[:80]!r} of service {service!r}{more}, such as machines with a copied state folder: "
                "a read may see a part of a write: give each its own state_dir, and import a log on one machine only"
            )
        return "each source has one writer"

    def _require_buckets(self) -> None:
        if self._kind != WITH_BUCKETS:
            raise SkippedError("not looked at: only InfluxDB 2 tells it without a write")

    def _anyone(self) -> InfluxClient:
        """A client with a token if there is one: InfluxDB 2 answers to anyone, InfluxDB 3 may not."""
        try:
            return self._client(read_token(self._settings))
        except DeniedError:
            return self._client("")

    def _address(self) -> InfluxAddress:
        return InfluxAddress.of(self._settings.url)

    def _reads_apart(self) -> bool:
        return bool(self._settings.read_token_env or self._settings.read_token_file)

    def _bucket(self) -> Bucket:
        name = self._address().bucket
        try:
            found = self._client(read_token(self._settings)).bucket(name)
        except PratiqueError as error:
            raise SkippedError("not looked at: the token may not see the bucket") from error
        if found is None:
            raise SkippedError("not looked at: the token does not see the bucket")
        return found

    def _client(self, token: str) -> InfluxClient:
        return InfluxClient.of(self._address(), token, self._settings)

    def _require_answer(self) -> None:
        if self._kind is None:
            raise SkippedError("not looked at: the server cannot be used")

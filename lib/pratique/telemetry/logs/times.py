"""Times of access lines, whatever their form, as milliseconds since 1970.

A form is "clf" (24/Nov/2026:10:00:00 +0100), "haproxy" (24/Nov/2026:10:00:00.123, local), "iso", "epoch_s", "epoch_ms",
"epoch_us", "epoch_ns", "epoch" (its size decides the unit), "auto" (whichever it is), "strftime:FORMAT" or "utc:FORMAT"; and "local", for a number of ms on a clock without a zone.

Local times without a zone: a time of the line's own header (syslog's, a container engine's) tells the zone, else the
configured zone does. A name of a zone (CET) tells none by itself, since several zones may have it: the time is read in
the configured zone where that has this name at that time, and is unreadable elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pratique.telemetry.logs import strftime
from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.zones import NEAR_MS, QUARTER_MS

_CLF = "%d/%b/%Y:%H:%M:%S %z"
_HAPROXY = "%d/%b/%Y:%H:%M:%S%.f"
_ISO = "%Y-%m-%dT%H:%M:%S%.f"
EPOCHS = {"epoch_s": 1000.0, "epoch_ms": 1.0, "epoch_us": 0.001, "epoch_ns": 0.000001}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_NAME = r"[0-9] ?([A-Z]{2,5})$"
_OF_UTC = ("UTC", "GMT", "Z")
_NO_ZONE = (*_OF_UTC, "AM", "PM")

Pair = tuple[pl.Expr, pl.Expr]
"""An instant, and a local time, both in ms and null where the text is the other or neither."""
_NOTHING = pl.lit(None, pl.Int64)


def has_zone(kind: str) -> bool:
    """Whether every time of a form tells its zone."""
    return kind.startswith(("epoch", "utc:")) or kind == "clf" or (kind.startswith("strftime:") and "%z" in kind)


def read(text: pl.Expr, kind: str) -> Pair:
    """Return the instants and local times of a column of texts of one form, but for those of strftime."""
    if kind == "clf":
        return text.str.to_datetime(_CLF, strict=False, time_unit="ms").dt.epoch("ms"), _NOTHING
    if kind in {"haproxy", "local"}:
        return _NOTHING, text if kind == "local" else text.str.to_datetime(
            _HAPROXY, strict=False, time_unit="ms"
        ).dt.epoch("ms")
    if kind == "iso":
        return _iso(text)
    if kind in EPOCHS:
        return _number(text.cast(pl.Float64, strict=False) * EPOCHS[kind]), _NOTHING
    number = _by_magnitude(text.cast(pl.Float64, strict=False))
    if kind == "epoch":
        return number, _NOTHING
    instant, local = _iso(text)
    return (
        pl.coalesce(number, read(text, "clf")[0], instant),
        pl.coalesce(read(text, "haproxy")[1], local),
    )


def _number(value: pl.Expr) -> pl.Expr:
    return value.round().cast(pl.Int64, strict=False)


def _by_magnitude(value: pl.Expr) -> pl.Expr:
    """Seconds, milliseconds, microseconds or nanoseconds: between 1973 and 5138 no two of them overlap."""
    size = value.abs()
    scaled = (
        pl.when(size < 1e11)
        .then(value * 1000.0)
        .when(size < 1e14)
        .then(value)
        .when(size < 1e17)
        .then(value / 1000.0)
        .otherwise(value / 1_000_000.0)
    )
    return _number(scaled)


def _iso(text: pl.Expr) -> Pair:
    form = (
        # behind an offset, Java writes the zone and Go its name and a reading of another clock
        text.str.replace(r"(Z|[+-][0-9]{2}:?[0-9]{2})\[[^\]]+\]$", "$1")
        .str.replace(r"( [+-][0-9]{4}) (?:[A-Z]{2,5}|[+-][0-9]{2,4})(?: m=[+-][0-9.]+)?$", "$1")
        .str.replace(r"^([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[ T]", "$1-$2-${3}T")
        .str.replace(",", ".", literal=True)
        .str.replace(r" ?(?:UTC|GMT)$", "Z")
        .str.replace(r" ([+-][0-9])", "$1")
        .str.replace(r"^([^T]+T[0-9]{2}:[0-9]{2})(Z|[+-][0-9:]+)?$", "${1}:00$2")
    )
    zoned = form.str.to_datetime(f"{_ISO}%#z", strict=False, time_unit="ms").dt.epoch("ms")
    unnamed = pl.when(zone_name(form).is_null()).then(form).otherwise(form.str.replace(r" ?[A-Z]{2,5}$", ""))
    return zoned, unnamed.str.to_datetime(_ISO, strict=False, time_unit="ms").dt.epoch("ms")


def zone_name(text: pl.Expr) -> pl.Expr:
    """The name of a zone other than UTC behind a time, such as CET; null where there is none."""
    name = text.str.extract(_NAME, 1)
    return pl.when(~name.is_in(_NO_ZONE)).then(name)


def zone_name_of_parts(texts: Sequence[tuple[pl.Expr, Field]]) -> pl.Expr:
    """The same of the parts of strftime formats."""
    values = _values(texts)
    return pl.when(~values["Z"].is_in(_OF_UTC)).then(values["Z"]) if "Z" in values else pl.lit(None, pl.String)


def read_parts(texts: Sequence[tuple[pl.Expr, Field]]) -> Pair:
    """Return the instants and local times that the parts of strftime formats tell together."""
    values = _values(texts)
    whole = {letter: value.str.strip_chars().cast(pl.Int32, strict=False) for letter, value in values.items()}
    if "s" in values:
        return _number(values["s"].cast(pl.Float64, strict=False) * 1000.0) + _fraction(values), _NOTHING
    local = _local(values, whole) + _fraction(values)
    if "z" in values:
        return local - offset_ms(values["z"]), _NOTHING
    if any(field.kind.startswith("utc:") for _, field in texts) or "Z" in values:
        return (local if "Z" not in values else pl.when(values["Z"].is_in(_OF_UTC)).then(local)), local
    return _NOTHING, local


def _values(texts: Sequence[tuple[pl.Expr, Field]]) -> dict[str, pl.Expr]:
    values: dict[str, pl.Expr] = {}
    for text, field in texts:
        pattern = f"^{strftime.expression(field.kind.partition(':')[2])}$"
        captured = text.str.extract_groups(pattern)
        values |= {letter: captured.struct.field(name) for name, letter in strftime.groups(pattern).items()}
    return values


def _local(values: dict[str, pl.Expr], whole: dict[str, pl.Expr]) -> pl.Expr:
    nothing = pl.lit(0, pl.Int32)
    year = whole.get("Y", whole["y"] + 2000 if "y" in whole else pl.lit(None, pl.Int32))
    name = values.get("b", values.get("B"))
    month = whole.get("m", pl.lit(1, pl.Int32))
    if name is not None:
        month = (
            name.str.slice(0, 3)
            .str.to_lowercase()
            .replace_strict(list(_MONTHS), list(range(1, 13)), default=None, return_dtype=pl.Int32)
        )
    day = whole.get("d", whole.get("e", pl.lit(1, pl.Int32)))
    hour = whole.get("H", whole.get("k", nothing))
    if "I" in whole or "l" in whole:
        afternoon = values["p"].str.to_lowercase() == "pm" if "p" in values else pl.lit(value=False)
        hour = whole.get("I", whole.get("l", nothing)) % 12 + pl.when(afternoon).then(12).otherwise(0)
    is_date = year.is_between(1, 9999) & month.is_between(1, 12) & day.is_between(1, 31)
    date = pl.datetime(
        pl.when(is_date).then(year).otherwise(1), pl.when(is_date).then(month).otherwise(1), pl.lit(1), time_unit="ms"
    ).dt.epoch("ms")
    if "j" in whole:
        date, day = (
            pl.datetime(pl.when(is_date).then(year).otherwise(1), 1, 1, time_unit="ms").dt.epoch("ms"),
            whole["j"],
        )
    seconds = ((day - 1) * 24 + hour).cast(pl.Int64) * 3600 + whole.get("M", nothing) * 60 + whole.get("S", nothing)
    return pl.when(is_date).then(date + seconds * 1000)


def _fraction(values: dict[str, pl.Expr]) -> pl.Expr:
    if "f" not in values:
        return pl.lit(0, pl.Int64)
    return values["f"].str.pad_end(3, "0").str.slice(0, 3).cast(pl.Int64, strict=False)


def offset_ms(zone: pl.Expr) -> pl.Expr:
    """The offset of texts like +0100, -07:00 and Z, in ms."""
    digits = zone.str.replace(":", "", literal=True)
    hours, minutes = (digits.str.slice(at, 2).cast(pl.Int64, strict=False) for at in (1, 3))
    size = (hours * 60 + minutes) * 60_000
    return pl.when(zone.str.starts_with("-")).then(-size).when(zone.str.starts_with("+")).then(size).otherwise(0)


def in_zone(local: pl.Expr, zone: str) -> pl.Expr:
    """The instants of local times in a zone; the earlier one of an hour that occurs twice, null for one that never does."""
    if zone == "UTC":
        return local
    time = pl.from_epoch(local, "ms")
    return time.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.epoch("ms")


def by_name(local: pl.Expr, zone: str, name: pl.Expr) -> pl.Expr:
    """The instants of local times in a zone that has this name at that time; null where it never has."""
    time = pl.from_epoch(local, "ms")
    found = [time.dt.replace_time_zone(zone, ambiguous=which, non_existent="null") for which in ("earliest", "latest")]
    named = [pl.when(one.dt.strftime("%Z") == name).then(one.dt.epoch("ms")) for one in found]
    return pl.when(name.is_null()).then(in_zone(local, zone)).otherwise(pl.coalesce(named))


def by_header(local: pl.Expr, took_ms: pl.Expr, header_text: pl.Expr, zone: str) -> pl.Expr:
    """The instants of local times of lines with a header that tells an instant; in the configured zone without.

    The header was written when the request had ended. If the time in the header's own zone fits, that is the zone; else
    the configured one if that fits; else the distance to the header, in whole quarters of an hour, is the zone.
    """
    header, _ = _iso(header_text)
    zone_text = header_text.str.extract(r"(Z|[+-][0-9]{2}:?[0-9]{2})$")
    configured = in_zone(local, zone)
    own = local - offset_ms(zone_text)
    distance = local + took_ms - header
    derived = local - ((distance + NEAR_MS).floordiv(QUARTER_MS) * QUARTER_MS)
    return (
        pl.when(header.is_null())
        .then(configured)
        .when((own + took_ms - header).abs() < NEAR_MS)
        .then(own)
        .when((configured + took_ms - header).abs() < NEAR_MS)
        .then(configured)
        .otherwise(derived)
    )

"""Comparison of data frames: every kind of frame gives the verdict that an import of the same rows gives."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pratique
from pratique.errors import DataError, UsageError
from pratique.telemetry.import_files import import_files

FIELDS = {"duration": "took:s"}
ROWS = 20_000


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(1)
    seconds = np.sort(rng.uniform(0, 1800, ROWS)).round(3)
    return pd.DataFrame(
        {
            "time": pd.Timestamp("2026-11-20T10:00Z") + pd.to_timedelta(seconds, unit="s"),
            "revision": rng.choice(["r1", "r2"], ROWS, p=[0.8, 0.2]),
            "path": rng.choice(["/cart?x=1", "/pay"], ROWS),
            "method": "GET",
            "status": rng.choice([200, 500], ROWS, p=[0.99, 0.01]),
            "took": rng.lognormal(-3, 0.5, ROWS),
        }
    )


def shown(verdict):
    return (
        verdict.verdict,
        verdict.requests,
        verdict.e_value,
        verdict.window_s,
        [one.message for one in verdict.findings],
    )


KINDS = {
    "polars": pl.from_pandas,
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "arrow": pa.Table.from_pandas,
    "arrow reader": lambda frame: pa.Table.from_pandas(frame).to_reader(1000),
    "duckdb": duckdb.from_df,
    "index": lambda frame: frame.set_index("time"),
    "python objects": lambda frame: frame.astype({"status": object, "revision": object, "path": object}),
    "mixed objects": lambda frame: frame.assign(status=[str(v) if i % 2 else v for i, v in enumerate(frame.status)]),
    "category": lambda frame: frame.astype({"revision": "category", "path": "category"}),
    "nullable": lambda frame: frame.astype({"status": "Int64", "revision": "string", "took": "Float64"}),
    "floats": lambda frame: frame.astype({"status": float}),
    "seconds": lambda frame: frame.assign(time=frame.time.astype("datetime64[us, UTC]").astype("int64") / 1e6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_every_kind_of_frame_gives_the_same_verdict(events, kind):
    expected = shown(pratique.compare(events, "r1", "r2", fields=FIELDS))
    assert expected[0] == "promote" or expected[2] < 100
    assert shown(pratique.compare(KINDS[kind](events), "r1", "r2", fields=FIELDS)) == expected


@pytest.mark.slow
def test_an_import_of_the_same_rows_gives_the_same_verdict(events, tmp_path):
    (tmp_path / "pratique.toml").write_text("")
    events.to_csv(tmp_path / "x.csv", index=False)
    config = pratique.load_config(tmp_path / "pratique.toml")
    store = pratique.open_store(str(tmp_path / "store"))
    import_files(
        [tmp_path / "x.csv"], service="shop", fmt="csv", config=config, store=store, field_names=["duration=took:s"]
    )
    stored = pratique.compare(store, "shop", "r1", "r2")
    assert shown(stored) == shown(pratique.compare(events, "r1", "r2", fields=FIELDS))


@pytest.mark.slow
def test_counts_are_compared_in_windows_of_their_interval(events):
    counts = (
        events.assign(time=events.time.dt.floor("min"))
        .groupby(["time", "revision", "path", "status"])
        .agg(n=("took", "size"), total=("took", "sum"))
        .reset_index()
    )
    verdict = pratique.compare(counts, "r1", "r2", fields={"duration_sum": "total:s"})
    assert (sum(verdict.requests.values()), verdict.window_s) == (ROWS, 60)
    assert not [finding for finding in verdict.findings if finding.kind == "gap"]
    with pytest.raises(UsageError, match="a row of counts has no single duration"):
        pratique.compare(counts, "r1", "r2", fields={"duration": "total:s"})
    wrong = counts.assign(n=counts.n.astype(object))
    wrong.loc[[20, 21, 22], "n"] = [-1, 1.5, True]
    assert sum(pratique.compare(wrong, "r1", "r2").requests.values()) == ROWS - counts.n[20:23].sum()


@pytest.mark.slow
def test_a_grouped_frame_whose_counts_are_not_named_is_refused(events):
    minutes = events.assign(time=events.time.dt.floor("min"))
    counts = minutes.groupby(["time", "revision", "path", "status"]).size().reset_index(name="count")
    with pytest.raises(DataError, match=r"'count' looks like the number of requests.*fields=\{.n.: .count.\}"):
        pratique.compare(counts, "r1", "r2")
    assert pratique.compare(counts, "r1", "r2", fields={"n": "count"}).requests


def test_counts_at_times_without_a_regular_step_need_an_interval():
    start = datetime(2026, 11, 20, 10, tzinfo=UTC)
    times = [start + timedelta(minutes=minute, milliseconds=7 * minute) for minute in range(20)]
    frame = pl.DataFrame(
        {"time": times * 2, "revision": ["r1"] * 20 + ["r2"] * 20, "action": "GET /", "status": 200, "n": 50}
    )
    with pytest.raises(DataError, match=r"no regular interval.*interval=SECONDS"):
        pratique.compare(frame, "r1", "r2")
    assert pratique.compare(frame, "r1", "r2", interval=60).window_s == 60


@pytest.mark.slow
def test_a_wrong_value_is_a_finding_with_its_column_and_a_wrong_column_an_error(events):
    one = events.astype({"status": object})
    one.loc[3, "status"] = True
    assert (
        pratique.compare(one, "r1", "r2", fields=FIELDS)
        .findings[0]
        .message.endswith("its value in column 'status' is a bool")
    )
    for wrong, reason in (
        (events.assign(status=events.status == 200), "column 'status' holds true or false"),
        (events.assign(status=[[code] for code in events.status]), "column 'status' is a list"),
        (events.assign(revision=[[name] for name in events.revision]), "column 'revision' is a list"),
        (events.drop(columns="revision"), "no column is known as the revision"),
        (events.assign(time=events.time.dt.tz_localize(None)), 'give it as timezone="UTC"'),
        (events.head(0), "no row of the frame is a request"),
        (pd.concat([events, events.status], axis=1), "column 'status' stands twice"),
    ):
        with pytest.raises(DataError, match=reason):
            pratique.compare(wrong, "r1", "r2", fields=FIELDS)


@pytest.mark.parametrize(("took", "doubt"), [(0.0, "below 0.01 ms"), (1e6, "reach nine days")])
@pytest.mark.slow
def test_a_wrong_unit_is_a_finding(events, took, doubt):
    findings = pratique.compare(events.assign(took=took), "r1", "r2", fields=FIELDS).findings
    assert any(doubt in finding.message for finding in findings)


def test_what_is_asked_wrongly_is_said_in_one_line(events):
    with pytest.raises(UsageError, match="name two revisions of the frame"):
        pratique.compare(events, "r1")
    with pytest.raises(UsageError, match="name the service and two revisions"):
        pratique.compare("a/folder", "r1", "r2")
    with pytest.raises(UsageError, match="are for a data frame"):
        pratique.compare("a/folder", "shop", "r1", "r2", timezone="UTC")

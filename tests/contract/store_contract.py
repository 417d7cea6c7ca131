"""The contract of every store, tested on real storage. A store's own test file inherits StoreContract and gives it
one fixture, `fresh`: a function that returns a new handle on an empty store, or, given a handle's number,
a further handle on that store:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def fresh(self): ...
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.errors import UsageError
from pratique.store.counts import NAMES
from pratique.telemetry.buckets import lower_ms
from pratique.telemetry.rollups import KEY, SCHEMA, Rollups

T0 = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)
"""Just before midnight, so that a few windows lie in two days."""


def row(
    window=0,
    revision="r1",
    n=1,
    *,
    service="shop",
    action="GET /cart",
    code=200,
    host="h1",
    source="collector",
    histogram=((3, 1),),
    sum_ms=1.5,
):
    """One rollup; window: its number, counted from T0 in steps of 10 s."""
    return {
        "window": T0 + timedelta(seconds=10 * window),
        "window_s": 10,
        "service": service,
        "revision": revision,
        "action": action,
        "code": code,
        "host": host,
        "source": source,
        "n": n,
        "sum_ms": sum_ms,
        "bucket": [bucket for bucket, _ in histogram],
        "count": [count for _, count in histogram],
    }


def rollups(*rows):
    return Rollups(pa.Table.from_pylist(list(rows), schema=SCHEMA))


def key(values):
    return tuple(values[name] for name in KEY)


def content(store, services=("shop",), revisions=("r1", "r2", "r3")):
    """Everything in the store by key; a key that occurs twice fails the test."""
    rows = [values for service in services for values in store.read(service, revisions).table.to_pylist()]
    found = {key(values): values for values in rows}
    assert len(found) == len(rows), "a key was read twice"
    return found


def by_key(rows):
    return {key(values): values for values in rows}


_rows = st.builds(
    row,
    window=st.integers(0, 7),
    revision=st.sampled_from(["r1", "r2"]),
    n=st.integers(1, 2**40),
    service=st.sampled_from(["shop", "till"]),
    action=st.sampled_from(["GET /", "GET /cart", "é'\"\n"]),
    code=st.sampled_from([200, 500]),
    source=st.sampled_from(["collector", "import:a.log"]),
    sum_ms=st.floats(0, 1e9),
    histogram=st.lists(
        st.tuples(st.integers(-160, 511), st.integers(1, 2**40)), max_size=3, unique_by=lambda pair: pair[0]
    ),
)


def counted(table):
    """Counts by everything that is not one: {(step in s from T0, name, …): (n, timed and slow if asked)}."""
    sums = [name for name in ("n", "timed", "slow") if name in table.column_names]
    found = {}
    for values in table.to_pylist():
        at = ((values.pop("step") - T0).total_seconds(), *(values[name] for name in values if name not in sums))
        assert at not in found, "a group has two rows"
        found[at] = tuple(values[name] for name in sums)
    return found


def counted_by_hand(rows, start, by, step_s, slower_than_ms):
    """What `counted` gives for rows, added up one by one."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    since = start if start is not None else epoch if step_s else min((row["window"] for row in rows), default=epoch)
    found = {}
    for values in rows:
        step = (values["window"] - since) // timedelta(seconds=step_s) * step_s if step_s else 0
        pairs = list(zip(values["bucket"], values["count"], strict=True))
        parts = [(values["n"], pairs, None)] if "bucket" not in by else [(n, [(b, n)], b) for b, n in pairs]
        for n, timed, bucket in parts:
            names = (bucket if name == "bucket" else values[name] for name in by)
            key = ((since - T0).total_seconds() + step, *names)
            slow = [count for at, count in timed if slower_than_ms is not None and lower_ms(at) >= slower_than_ms]
            more = () if slower_than_ms is None else (sum(count for _, count in timed), sum(slow))
            found[key] = tuple(map(sum, zip(found.get(key, (0, 0, 0)), (n, *more), strict=False)))
    return found


_batches = st.lists(st.lists(_rows, max_size=12), max_size=6)


class StoreContract:
    @pytest.fixture
    def store(self, fresh):
        return fresh()

    def test_empty_store_reads_as_no_rows_with_all_columns(self, store):
        found = store.read("shop", ["r1"])
        assert len(found) == 0
        assert found.table.column_names == SCHEMA.names
        assert store.revisions() == []

    def test_rows_are_read_as_written(self, store):
        rows = [
            row(0, n=3, histogram=((-160, 1), (511, 2)), sum_ms=0.1 + 0.2),
            row(1, "r2", n=2**53 + 1, histogram=((7, 2**53 + 1),)),
            row(9, code=503, histogram=(), sum_ms=0.0),
        ]
        store.write(rollups(*rows))
        assert content(store) == by_key(rows)

    def test_columns_have_the_documented_types(self, store):
        store.write(rollups(row()))
        for field in store.read("shop", ["r1"]).table.schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            assert kind == SCHEMA.field(field.name).type

    def test_empty_write_changes_nothing(self, store):
        store.write(Rollups.empty())
        assert content(store) == {}

    def test_repeated_write_changes_nothing(self, store):
        batch = rollups(row(0), row(1), row(1, "r2", n=5))
        store.write(batch)
        before = content(store)
        store.write(batch)
        store.write(batch)
        assert content(store) == before

    def test_row_with_the_same_key_replaces(self, store):
        store.write(rollups(row(0, n=1), row(1, n=1)))
        store.write(rollups(row(1, n=7, histogram=((4, 3), (5, 4))), row(2, n=1)))
        assert content(store) == by_key([row(0, n=1), row(1, n=7, histogram=((4, 3), (5, 4))), row(2, n=1)])

    def test_rows_of_a_source_are_removed_in_the_write_that_replaces_them(self, store):
        old = [row(number, source="import:a.log", action=action) for number in (0, 5) for action in ("GET /", "other")]
        others = [row(0), row(5, source="import:b.log"), row(0, service="other", source="import:a.log")]
        store.write(rollups(*old, *others))
        new = [row(0, source="import:a.log", action="cart", n=4)]
        store.write(rollups(*new), instead_of={"import:a.log"})
        assert content(store, ("shop", "other")) == by_key([*new, *others])
        store.write(rollups(*new), instead_of={"import:a.log", "import:c.log"})
        assert content(store, ("shop", "other")) == by_key([*new, *others])

    def test_last_of_two_rows_with_the_same_key_in_one_write_is_kept(self, store):
        store.write(rollups(row(0, n=1), row(1, n=5), row(0, n=2)))
        assert content(store) == by_key([row(0, n=2), row(1, n=5)])

    @pytest.mark.parametrize(
        "other",
        [{"source": "import:a"}, {"host": "h2"}, {"action": "GET /"}, {"code": 404}, {"window": 1}, {"revision": "r2"}],
        ids=lambda other: next(iter(other)),
    )
    def test_rows_that_differ_in_one_part_of_the_key_are_both_kept(self, store, other):
        store.write(rollups(row(n=1)))
        store.write(rollups(row(**{"n": 2, **other})))
        assert content(store) == by_key([row(n=1), row(**{"n": 2, **other})])

    def test_range_includes_its_start_and_not_its_end(self, store):
        store.write(rollups(*[row(window) for window in range(6)]))
        found = store.read("shop", ["r1"], T0 + timedelta(seconds=10), T0 + timedelta(seconds=40)).table
        assert sorted(found["window"].to_pylist()) == [T0 + timedelta(seconds=10 * window) for window in (1, 2, 3)]
        assert len(store.read("shop", ["r1"], T0 + timedelta(milliseconds=1), T0 + timedelta(seconds=10))) == 0

    def test_range_is_the_same_in_any_time_zone(self, store):
        store.write(rollups(*[row(window) for window in range(6)]))
        start = (T0 + timedelta(seconds=50)).astimezone(ZoneInfo("Asia/Kolkata"))
        assert len(store.read("shop", ["r1"], start)) == 1

    def test_only_the_given_service_and_revisions_are_read(self, store):
        store.write(rollups(row(revision="r1"), row(revision="r2"), row(revision="r10"), row(service="till")))
        assert {values["revision"] for values in store.read("shop", ["r1", "r10"]).table.to_pylist()} == {"r1", "r10"}
        assert set(store.read("till", ["r1"]).table["service"].to_pylist()) == {"till"}
        assert len(store.read("shop", [])) == len(store.read("shop", ["nope"])) == len(store.read("nope", ["r1"])) == 0

    def test_revisions_are_listed_oldest_first_with_their_requests(self, store):
        store.write(rollups(row(5, "r2", n=2), row(6, "r2", n=3, code=500), row(0, "r1", n=7), row(3, service="till")))
        seen = [(seen.service, seen.revision, seen.requests) for seen in store.revisions()]
        assert seen == [("shop", "r1", 7), ("till", "r1", 1), ("shop", "r2", 5)]
        second = store.revisions("shop")[1]
        assert (second.first, second.last) == (T0 + timedelta(seconds=50), T0 + timedelta(seconds=60))
        assert second.first.utcoffset() == timedelta(0)

    def test_revisions_of_a_range_count_only_requests_in_it(self, store):
        store.write(rollups(*[row(window, n=10**window) for window in range(5)]))
        (seen,) = store.revisions("shop", T0 + timedelta(seconds=10), T0 + timedelta(seconds=30))
        assert (seen.first, seen.requests) == (T0 + timedelta(seconds=10), 110)
        assert store.revisions("shop", T0 + timedelta(hours=1)) == []
        assert store.revisions("nope") == []

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "'; DROP TABLE rollups; --",
            '"${x}"',
            "a\nb\tc\0d",
            "../../etc",
            "é漢字🚢",
            "",
            "x" * 10_000,
        ],
        ids=["markup", "sql", "shell", "control", "path", "unicode", "empty", "long"],
    )
    def test_hostile_text_is_stored_unchanged(self, store, text):
        rows = [row(0, action=text), row(1, host=text), row(2, revision=text or "r1", source=text)]
        store.write(rollups(*rows))
        store.write(rollups(*rows))
        assert content(store, revisions=["r1", text or "r1"]) == by_key(rows)
        assert sum(seen.requests for seen in store.revisions("shop")) == 3

    def test_second_handle_reads_the_writes_of_the_first(self, fresh):
        store = fresh()
        store.write(rollups(row(0)))
        other = fresh(store)
        assert content(other) == by_key([row(0)])
        other.write(rollups(row(1)))
        assert content(store) == by_key([row(0), row(1)])

    def test_concurrent_writers_lose_nothing(self, fresh):
        store = fresh()
        problems = []

        def work(number):
            try:
                mine = fresh(store)
                for window in range(5):
                    # Half of what each writes is the same in all of them.
                    mine.write(
                        rollups(row(window, source="shared", n=9), row(window, source=f"own-{number}", n=number))
                    )
            except Exception as error:  # noqa: BLE001  # is raised below, in the test's own thread
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        own = [row(window, source=f"own-{number}", n=number) for window in range(5) for number in range(1, 4)]
        assert content(store) == by_key([*own, *[row(window, source="shared", n=9) for window in range(5)]])

    def test_counts_of_an_empty_store_have_their_columns(self, store):
        found = store.counts("shop", None, None, by=("revision", "code"), step_s=10, slower_than_ms=5)
        assert found.num_rows == 0
        assert found.schema == pa.schema(
            [
                ("step", pa.timestamp("ms", tz="UTC")),
                ("revision", pa.string()),
                ("code", pa.int64()),
                *[(name, pa.int64()) for name in ("n", "timed", "slow")],
            ]
        )

    def test_counts_add_up_what_differs_in_other_names_only(self, store):
        store.write(
            rollups(
                row(0, n=1),
                row(0, n=2, host="h2"),
                row(0, n=4, source="import:a"),
                row(0, n=8, code=503),
                row(1, n=16),
                row(1, "r2", n=32),
                row(1, n=64, service="till"),
            )
        )
        found = store.counts("shop", T0, None, by=("revision", "code"), step_s=10)
        assert found.column_names == ["step", "revision", "code", "n"]
        assert found["code"].type == pa.int64()
        assert counted(found) == {
            (0, "r1", 200): (7,),
            (0, "r1", 503): (8,),
            (10, "r1", 200): (16,),
            (10, "r2", 200): (32,),
        }
        every = store.counts(None, T0, None, by=("service",), step_s=0)
        assert counted(every) == {(0, "shop"): (63,), (0, "till"): (64,)}

    def test_counts_of_a_range_begin_their_steps_with_it(self, store):
        store.write(rollups(*[row(window, n=10**window) for window in range(6)]))
        start, end = T0 + timedelta(seconds=10), T0 + timedelta(seconds=50)
        assert counted(store.counts("shop", start, end, by=(), step_s=20)) == {(10,): (110,), (30,): (11_000,)}
        assert counted(store.counts("shop", start, end, by=(), step_s=0)) == {(10,): (11_110,)}
        assert counted(store.counts("shop", None, None, by=(), step_s=0)) == {(0,): (111_111,)}
        early = T0 - timedelta(hours=1)
        assert counted(store.counts("shop", early, end, by=(), step_s=0)) == {(-3600,): (11_111,)}
        assert store.counts("shop", end, start, by=(), step_s=20).num_rows == 0
        assert store.counts("nope", None, None, by=("host",), step_s=0).num_rows == 0

    def test_counts_have_the_late_row_and_not_the_one_it_replaced(self, store):
        store.write(rollups(row(0, n=5, histogram=((3, 5),)), row(1, n=1)))
        store.write(rollups(row(0, n=7, histogram=((3, 1), (9, 6)))))
        found = store.counts("shop", T0, None, by=("action",), step_s=10, slower_than_ms=lower_ms(9))
        assert counted(found) == {(0, "GET /cart"): (7, 7, 6), (10, "GET /cart"): (1, 1, 0)}

    def test_counts_by_bucket_are_of_requests_with_a_duration(self, store):
        store.write(
            rollups(
                row(0, n=9, histogram=((-160, 1), (7, 2))),
                row(1, n=4, histogram=((7, 3), (511, 1))),
                row(2, n=5, histogram=()),
            )
        )
        assert counted(store.counts("shop", T0, None, by=("bucket",), step_s=0)) == {
            (0, -160): (1,),
            (0, 7): (5,),
            (0, 511): (1,),
        }

    @pytest.mark.parametrize(
        ("slower_than_ms", "slow"),
        [
            (lower_ms(7), 3),
            (lower_ms(7) * 1.001, 1),
            (lower_ms(7) * 0.999, 3),
            (lower_ms(8), 1),
            (0, 7),
            (1e9, 1),
            (1e12, 0),
        ],
    )
    def test_slow_requests_are_those_in_buckets_from_the_bound_on(self, store, slower_than_ms, slow):
        store.write(
            rollups(row(0, n=9, histogram=((-160, 1), (6, 3), (7, 2))), row(0, n=2, code=500, histogram=((511, 1),)))
        )
        found = store.counts("shop", T0, None, by=(), step_s=0, slower_than_ms=slower_than_ms)
        assert counted(found) == {(0,): (11, 7, slow)}

    def test_counts_by_another_name_or_a_negative_step_are_refused(self, store):
        for by, step_s in ((("source",), 0), (("n; DROP TABLE rollups",), 0), (("host", "host"), 0), (("host",), -1)):
            with pytest.raises(UsageError):
                store.counts("shop", None, None, by=by, step_s=step_s)

    def test_counts_keep_hostile_names_apart(self, store):
        names = ["<script>", "'; DROP TABLE rollups; --", '"${x}"', "a\nb\tc\0d", "é漢字🚢", "", "x" * 10_000]
        rows = [row(0, n=at + 1, action=name, host=name[::-1]) for at, name in enumerate(names)]
        store.write(rollups(*rows))
        found = store.counts("shop", T0, None, by=("action", "host"), step_s=0)
        assert counted(found) == {(0, name, name[::-1]): (at + 1,) for at, name in enumerate(names)}

    @pytest.mark.slow
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        batches=_batches,
        by=st.lists(st.sampled_from(NAMES), unique=True),
        step_s=st.sampled_from([0, 10, 20, 30, 3600]),
        service=st.sampled_from([None, "shop", "till"]),
        bounds=st.tuples(st.none() | st.integers(0, 8), st.none() | st.integers(0, 8)),
        slower_than_ms=st.none() | st.floats(0, 1e4) | st.integers(-160, 511).map(lower_ms),
    )
    def test_counts_equal_those_of_the_rows_that_were_written(
        self, fresh, batches, by, step_s, service, bounds, slower_than_ms
    ):
        store, model = fresh(), {}
        for batch in batches:
            store.write(rollups(*batch))
            model.update(by_key(batch))
        start, end = (None if at is None else T0 + timedelta(seconds=10 * at) for at in bounds)
        rows = [
            values
            for values in model.values()
            if service in (None, values["service"])
            and (start is None or values["window"] >= start)
            and (end is None or values["window"] < end)
        ]
        found = store.counts(service, start, end, by=by, step_s=step_s, slower_than_ms=slower_than_ms)
        assert counted(found) == counted_by_hand(rows, start, by, step_s, slower_than_ms)

    @pytest.mark.slow
    @settings(
        max_examples=25,
        deadline=None,
        # `fresh` gives a new store each time, and the classes that inherit this hold nothing.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(batches=_batches, data=st.data())
    def test_batches_in_any_order_and_repeated_equal_the_model(self, fresh, batches, data):
        store, model = fresh(), {}
        for batch in batches:
            store.write(rollups(*batch))
            model.update(by_key(batch))
            if data.draw(st.booleans(), label="again"):
                store.write(rollups(*reversed(list(by_key(batch).values()))))
        assert content(store, ("shop", "till")) == model
        total = {}
        for values in model.values():
            name = (values["service"], values["revision"])
            total[name] = total.get(name, 0) + values["n"]
        assert {(seen.service, seen.revision): seen.requests for seen in store.revisions()} == total

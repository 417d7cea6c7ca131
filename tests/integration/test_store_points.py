"""The store that reads what others write to InfluxDB: a real server, with points in the form in which Telegraf writes them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from pratique.check.store import store_checks
from pratique.config import Config, PointMapping, Policy, load
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, UnavailableError, UsageError
from pratique.judge.compare import compare
from pratique.store import is_scraped, open_store
from pratique.store.influxdb.client import InfluxClient
from pratique.store.points import bucket as points_bucket
from support import telegraf_points as telegraf
from support.ports import free_port
from support.scraped_traffic import WINDOW_S, Traffic
from support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]
LONG = Policy(deadline_min=600)
TIMED = {"preset": "telegraf-access-log", "duration": "request_time"}
COUNTERS = {
    "telegraf-haproxy": telegraf.haproxy,
    "telegraf-nginx-vts": telegraf.nginx_upstreams,
    "telegraf-nginx-sts": lambda traffic: telegraf.nginx_upstreams(traffic, "sts"),
    "telegraf-nginx-plus": lambda traffic: telegraf.nginx_upstreams(traffic, "plus"),
    "telegraf-prometheus": telegraf.prometheus,
}


@pytest.fixture(scope="module")
def start():
    """A full hour, two hours ago: nothing of it is still to come."""
    return (int(time.time()) // 3600 - 2) * 3600


@pytest.fixture(scope="module")
def traffic(start):
    return Traffic(start - 3600)


@pytest.fixture(scope="module")
def bucket(influxdb_server, traffic):
    """A bucket with an hour of equal revisions, as each of the inputs writes it."""
    found = influxdb_server.new_bucket()
    for lines in (*(write(traffic) for write in COUNTERS.values()), telegraf.access_log(traffic)):
        telegraf.write(influxdb_server, found, list(lines))
    return found


def settings(server, bucket, **mapping):
    return server.settings(bucket, points=PointMapping(**mapping))


def store_of(server, bucket, **mapping):
    return open_store(settings(server, bucket, **mapping))


def counts(rollups, *columns):
    """Requests by window, revision and further columns."""
    names = ["window", "revision", *columns]
    table = rollups.table.group_by(names).aggregate([("n", "sum")])
    return {tuple(row[name] for name in names): row["n_sum"] for row in table.to_pylist() if row["n_sum"]}


def begin_of(traffic):
    return datetime.fromtimestamp(traffic.start_s, UTC)


@pytest.mark.parametrize("preset", COUNTERS)
def test_counters_have_the_counts_that_a_collector_would_have_stored(influxd, bucket, traffic, preset):
    found = store_of(influxd, bucket, preset=preset).read("shop", ["r1", "r2"], begin_of(traffic))
    columns = ("action", "code") if preset == "telegraf-prometheus" else ("code",)
    assert counts(found, *columns) == counts(traffic.rollups(), *columns)
    classes = "some codes are known by their class only"
    assert any(note.startswith(classes) for note in found.limits.notes) == (preset != "telegraf-prometheus")


def test_points_of_one_request_each_have_the_counts_and_durations_of_the_log(influxd, bucket, traffic):
    found = store_of(influxd, bucket, **TIMED).read("shop", ["r1", "r2"], begin_of(traffic))
    truth = traffic.rollups()
    assert counts(found, "action", "code") == counts(truth, "action", "code")
    assert sum(found.table["sum_ms"].to_pylist()) == pytest.approx(sum(truth.table["sum_ms"].to_pylist()), rel=1e-6)
    assert sum(map(sum, found.table["count"].to_pylist())) == sum(truth.table["n"].to_pylist())
    assert not found.limits.bounds_ms
    assert found.limits.notes == ()


@pytest.mark.parametrize("mapping", [TIMED, {"preset": "telegraf-haproxy"}], ids=["requests", "counters"])
def test_revisions_have_their_first_and_last_window(influxd, bucket, traffic, mapping):
    begin = begin_of(traffic)
    last = begin + timedelta(seconds=(traffic.windows - 1) * WINDOW_S)
    canary = begin + timedelta(seconds=traffic.history * WINDOW_S)
    assert [
        (seen.service, seen.revision, seen.first, seen.last, seen.requests)
        for seen in store_of(influxd, bucket, **mapping).revisions()
    ] == [
        ("shop", "r1", begin, last, len(traffic.parts[0]["time_ms"])),
        ("shop", "r2", canary, last, len(traffic.parts[1]["time_ms"])),
    ]


@pytest.mark.parametrize("mapping", [TIMED, {"preset": "telegraf-haproxy"}], ids=["requests", "counters"])
def test_a_part_of_the_range_has_the_same_counts(influxd, bucket, traffic, mapping):
    begin, end = (datetime.fromtimestamp(traffic.start_s + minutes * 60, UTC) for minutes in (35, 45))
    found = store_of(influxd, bucket, **mapping).read("shop", ["r2"], begin, end)
    assert counts(found, "code") == {
        key: n for key, n in counts(traffic.rollups(), "code").items() if begin <= key[0] < end and key[1] == "r2"
    }


@pytest.mark.parametrize("mapping", [TIMED, {"preset": "telegraf-haproxy"}], ids=["requests", "counters"])
def test_counts_are_those_of_the_rows_that_it_reads(influxd, bucket, traffic, mapping):
    store = store_of(influxd, bucket, **mapping)
    found = store.counts("shop", begin_of(traffic), None, by=("revision", "code"), step_s=WINDOW_S)
    assert {(row["step"], row["revision"], row["code"]): row["n"] for row in found.to_pylist() if row["n"]} == counts(
        traffic.rollups(), "code"
    )


def guards(verdict):
    return {(guard.guard, guard.action): (guard.bad, guard.requests, guard.threshold_ms) for guard in verdict.guards}


def guards_on_codes(verdict):
    return {key: found for key, found in guards(verdict).items() if not key[0].startswith("p") and key[1] == "*"}


@pytest.mark.parametrize(
    ("errors", "slower", "decision"),
    [
        ({"r1": 0.01, "r2": 0.01}, 1.0, "promote"),
        ({"r1": 0.01, "r2": 0.06}, 1.0, "rollback"),
        ({"r1": 0.01, "r2": 0.01}, 2.0, "rollback"),
    ],
    ids=["good", "failing", "slow"],
)
def test_the_same_traffic_has_the_same_counts_and_the_same_verdict_as_in_the_own_store(
    influxd, tmp_path, start, errors, slower, decision
):
    traffic = Traffic(start - 3600, history=30, windows=120, errors=errors, slower=slower, canary=0.5)
    delta, bucket = open_store(str(tmp_path / "delta")), influxd.new_bucket()
    delta.write(traffic.rollups())
    for lines in (telegraf.access_log(traffic), telegraf.haproxy(traffic)):
        telegraf.write(influxd, bucket, list(lines))
    expected = compare(delta, "shop", "r1", "r2", policy=LONG)
    assert expected.verdict == decision
    found = compare(settings(influxd, bucket, **TIMED), "shop", "r1", "r2", policy=LONG)
    assert (found.verdict, found.requests) == (decision, expected.requests)
    assert (found.start, found.end) == (expected.start, expected.end)
    assert guards(found) == guards(expected)
    counted = compare(settings(influxd, bucket, preset="telegraf-haproxy"), "shop", "r1", "r2", policy=LONG)
    assert counted.requests == expected.requests
    assert guards_on_codes(counted) == guards_on_codes(expected)
    # counters tell no durations, and what was not measured is never promoted
    assert counted.verdict == ("rollback" if errors["r2"] > 0.05 else "continue")
    assert any("latency" in finding.message or "duration" in finding.message for finding in counted.findings)


def test_a_probe_without_an_answer_is_no_answer_and_untimed(influxd, start):
    bucket = influxd.new_bucket()
    answers = [(200, 0.010), (503, 0.020), (None, None), (200, 0.030)] * 30
    telegraf.write(influxd, bucket, list(telegraf.probes(start, answers)))
    store = store_of(influxd, bucket, preset="telegraf-http-response")
    found = store.read("shop", ["r1"])
    by_code = {}
    for (_, _, code), n in counts(found, "code").items():
        by_code[code] = by_code.get(code, 0) + n
    assert by_code == {200: 60, 503: 30, 0: 30}
    assert sum(map(sum, found.table["count"].to_pylist())) == 90
    assert [seen.requests for seen in store.revisions()] == [120]


def test_missed_points_lose_nothing_and_are_reported(influxd, traffic):
    bucket = influxd.new_bucket()
    gap = range((traffic.start_s + 40 * 60) * 10**9, (traffic.start_s + 43 * 60) * 10**9)
    lines = [line for line in telegraf.haproxy(traffic) if int(line.rpartition(" ")[2]) not in gap]
    telegraf.write(influxd, bucket, lines)
    found = store_of(influxd, bucket, preset="telegraf-haproxy").read("shop", ["r1", "r2"], begin_of(traffic))
    assert sum(counts(found).values()) == sum(counts(traffic.rollups()).values())
    assert any(
        note.startswith("no point of web-1//run/haproxy.sock from ")
        and note.endswith("between count in the window of the next point")
        for note in found.limits.notes
    )


def test_a_gap_beyond_the_lookback_is_not_counted_and_the_verdict_says_so(influxd, traffic):
    bucket = influxd.new_bucket()
    gap = range((traffic.start_s + 40 * 60) * 10**9, (traffic.start_s + 50 * 60) * 10**9)
    lines = [line for line in telegraf.haproxy(traffic) if int(line.rpartition(" ")[2]) not in gap]
    telegraf.write(influxd, bucket, lines)
    found = store_of(influxd, bucket, preset="telegraf-haproxy").read("shop", ["r1", "r2"], begin_of(traffic))
    missing = {begin_of(traffic) + timedelta(minutes=minutes) for minutes in range(39, 51)}
    truth = {key: n for key, n in counts(traffic.rollups(), "code").items() if key[0] not in missing}
    assert {key: n for key, n in counts(found, "code").items() if key[0] not in missing} == truth
    assert any(note.endswith("between are not counted") for note in found.limits.notes)


def restarting(start, values, *, step_s=10):
    """Points of HAProxy with these totals of 2xx, one each step."""
    tags = {"proxy": "shop", "server": "/run/haproxy.sock", "sv": "r1", "type": "server", "host": "web-1"}
    fields = ({f"http_response.{code}": total if code == "2xx" else 0 for code in telegraf.CLASSES} for total in values)
    for number, each in enumerate(fields):
        yield telegraf.line("haproxy", tags, each, (start + step_s * number) * 10**9)


def test_a_restarted_proxy_counts_from_zero_and_a_late_start_is_said(influxd, start):
    bucket = influxd.new_bucket()
    telegraf.write(influxd, bucket, list(restarting(start, [1000, 1010, 1025, 4, 9, 9, 20])))
    found = store_of(influxd, bucket, preset="telegraf-haproxy").read(
        "shop", ["r1"], datetime.fromtimestamp(start - 600, UTC)
    )
    assert sum(counts(found).values()) == 10 + 15 + 4 + 5 + 11
    # 1000 requests of before the first point, whose time nobody knows
    assert any(
        note == "1,000 requests of r1 before the first point of web-1//run/haproxy.sock are not counted"
        for note in found.limits.notes
    )


@pytest.mark.parametrize("minutes", [0, 30], ids=["within the range", "before the range"])
def test_a_counter_that_is_written_only_when_it_changes_has_not_begun_again(influxd, start, minutes):
    """Telegraf's processor dedup leaves out points that repeat the last one; r2 goes on all the time."""
    bucket = influxd.new_bucket()
    silent = [line for number, line in enumerate(restarting(start, [500] * 180 + [530])) if number in (0, 180)]
    others = [line.replace("sv=r1", "sv=r2") for line in restarting(start, range(181))]
    telegraf.write(influxd, bucket, [*silent, *others])
    begin = datetime.fromtimestamp(start + minutes * 60 - 600, UTC)
    found = store_of(influxd, bucket, preset="telegraf-haproxy").read("shop", ["r1"], begin)
    assert sum(counts(found).values()) == 30


HOSTILE = (
    '"} or true //',
    "a|>drop(",
    "\\",
    "tail\\\\",
    "x y,z=1",
    "é" * 50,
    "-- ' \"",
    "${secret}",
    "r.*",
    "' or '1'='1",
)


def test_hostile_names_are_only_names(influxd, start):
    bucket = influxd.new_bucket()
    lines = [
        telegraf.line(
            "m|>n",
            {'svc "q': name.rstrip("\\") or "b", "rev,=": "r1", "path": "/x"},
            {"ms": 5.0, 'co"de': "200"},
            (start + at) * 10**9,
        )
        for at, name in enumerate(HOSTILE)
    ]
    telegraf.write(influxd, bucket, lines)
    mapping = {
        "measurement": "m|>n",
        "service": "=shop",
        "revision": "path",
        "code": "=200",
        "duration": "ms",
        "duration_unit": "ms",
    }
    for name in HOSTILE:
        stored = name.rstrip("\\") or "b"
        match = {'svc "q': stored, "rev,=": "r1"}
        found = store_of(influxd, bucket, **mapping, match=match).read("shop", ["/x", name])
        assert sum(counts(found).values()) == 1, name
        assert len(store_of(influxd, bucket, **mapping).read(name, [name])) == 0
    everything = store_of(influxd, bucket, **mapping).read("shop", ["/x"])
    assert sum(counts(everything).values()) == len(HOSTILE)


def test_hostile_values_of_a_request_are_kept_apart_from_the_answer(influxd, start):
    """A path that looks like the end of an answer, or like an error of the server, is a path."""
    bucket = influxd.new_bucket()
    paths = ["/a\n\n\n,error,reference\n,boo", '/a"b', "/a\r\n\r\n,result,table\r\n", '"', ",,,", "/\u2028", "a" * 5000]
    for at, path in enumerate(paths):
        tags = {"service": "shop", "revision": "r1", "verb": "GET", "resp_code": "200", "host": "h"}
        telegraf.write(
            influxd, bucket, [telegraf.line("tail", tags, {"request": path, "client_ip": "::1"}, (start + at) * 10**9)]
        )
    store = store_of(influxd, bucket, preset="telegraf-access-log")
    found = store.read("shop", ["r1"])
    assert sum(counts(found).values()) == len(paths)
    assert all(len(action) < 100 and action.isprintable() for action in found.table["action"].to_pylist())


def test_made_up_actions_and_hosts_are_bounded_and_none_is_lost(influxd, start):
    bucket = influxd.new_bucket()
    lines = [
        telegraf.line(
            "requests",
            {"service": "shop", "revision": "r1"},
            {"status": 200, "route": f"/{at}", "node": f"n{at}"},
            (start * 1000 + at) * 10**6,
        )
        for at in range(3000)
    ]
    lines += [
        telegraf.line(
            "requests",
            {"service": "shop", "revision": "r1"},
            {"status": 200, "route": "/real", "node": "n"},
            (start * 1000 + at) * 10**6 + 1,
        )
        for at in range(50)
    ]
    telegraf.write(influxd, bucket, lines)
    mapping = {
        "measurement": "requests",
        "service": "service",
        "revision": "revision",
        "action": ["route"],
        "code": "status",
        "host": "node",
    }
    found = store_of(influxd, bucket, **mapping).read("shop", ["r1"])
    assert sum(counts(found).values()) == 3050
    by_action = {key[2]: n for key, n in counts(found, "action").items()}
    assert by_action["/real"] == 50
    assert len(by_action) <= 501
    assert by_action["other"] > 2000
    assert len({host for *_, host in counts(found, "host")}) <= 1001
    assert "shop has more than 500 actions, or very long ones: they count as 'other'" in found.limits.notes


def test_points_in_whole_seconds_may_have_replaced_each_other(influxd, start):
    bucket = influxd.new_bucket()
    tags = {"service": "shop", "revision": "r1", "resp_code": "200", "verb": "GET"}
    telegraf.write(
        influxd,
        bucket,
        [
            telegraf.line("tail", tags, {"request": "/", "client_ip": "::1"}, (start + at // 3) * 10**9)
            for at in range(600)
        ],
    )
    found = store_of(influxd, bucket, preset="telegraf-access-log").read("shop", ["r1"])
    assert sum(counts(found).values()) == 200
    assert any("requests may be missing" in note for note in found.limits.notes)


def test_the_rules_of_the_service_map_paths_to_actions(influxd, bucket, traffic, tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text(
        f'[store]\nurl = "{influxd.address(bucket)}"\n[store.points]\npreset = "telegraf-access-log"\n'
        '[services.shop]\nactions = [{ path = "/cart", action = "cart" }]\n'
    )
    found = open_store(load(file).store).read("shop", ["r1"])
    assert {key[2] for key in counts(found, "action")} == {"cart", "other"}


def test_writing_is_refused_in_one_line(influxd, bucket, traffic):
    store = store_of(influxd, bucket, **TIMED)
    assert is_scraped(store)
    with pytest.raises(UsageError, match=r"is only read: \[store.points\] describes what another program writes"):
        store.write(traffic.rollups())


def test_what_is_not_there_does_not_exist(influxd, bucket):
    assert store_of(influxd, bucket, **TIMED).exists()
    for mapping in ({**TIMED, "measurement": "nothing"}, {"preset": "telegraf-haproxy", "counters": ["nothing"]}):
        store = store_of(influxd, bucket, **mapping)
        assert not store.exists()
        assert store.revisions() == []
        assert len(store.read("shop", ["r1", "r2"])) == 0
        assert store.newest() is None


def test_a_mapping_of_tags_alone_asks_for_a_field_to_count(influxd, bucket):
    mapping = {"measurement": "tail", "service": "service", "revision": "revision", "code": "resp_code"}
    with pytest.raises(UsageError, match="set counted to a field that every request has"):
        store_of(influxd, bucket, **mapping).read("shop", ["r1"])


def test_a_mapping_that_lacks_something_names_it(influxd, bucket):
    with pytest.raises(
        UsageError, match=r"\[store.points\] has no service and no revision and no code: set them, or preset"
    ):
        store_of(influxd, bucket, measurement="nginx", counters=["requests"])


def test_failures_are_one_line(influxd, bucket, monkeypatch):
    def asked(changed):
        store = open_store(settings(influxd, bucket, **TIMED).model_copy(update=changed))
        for ask in (store.exists, store.revisions, store.newest, lambda: store.read("shop", ["r1"])):
            with pytest.raises(PratiqueError) as raised:
                ask()
            assert "\n" not in str(raised.value)
            assert len(str(raised.value)) < 400
        return raised.value

    address = influxd.address(bucket)
    missing = asked({"url": address + "-none"})
    assert isinstance(missing, MissingError)
    assert "check store.url and the token" in str(missing)
    other = influxd.new_bucket()
    token = influxd.client.create_authorization("other", other, ["read"]).token
    monkeypatch.setenv("OTHER_TOKEN", token)
    assert isinstance(asked({"token_env": "OTHER_TOKEN"}), MissingError)
    monkeypatch.setenv("OTHER_TOKEN", "wrong")
    assert isinstance(asked({"token_env": "OTHER_TOKEN"}), DeniedError)
    assert "does not answer" in str(asked({"url": address.replace(str(influxd.port), str(free_port()))}))


def findings(server, bucket, **mapping):
    """State and message of each check of the store."""
    config = Config(store=settings(server, bucket, **mapping))
    return [(found.subject, found.state, found.message) for found in (check.run() for check in store_checks(config))]


def test_the_checks_say_what_the_points_have(influxd, bucket):
    found = findings(influxd, bucket, **TIMED)
    assert [(subject, state) for subject, state, _ in found] == [
        ("store.url", "ok"),
        ("store.url", "ok"),
        ("store.token", "ok"),
        ("store.points", "ok"),
        ("store.points", "ok"),
        ("store.points", "warning"),
    ]
    assert [message for _, _, message in found[3:]] == [
        "measurement 'tail' has points of one request each; durations in request_time",
        "it has requests of shop r1, shop r2",
        "no point is younger than 300 s: a release could not be measured",
    ]


@pytest.mark.parametrize(
    ("mapping", "state", "words"),
    [
        ({**TIMED, "measurement": "nothing"}, "problem", "measurement 'nothing' has no points in the last 48 h"),
        (
            {**TIMED, "duration": "none", "counted": ""},
            "problem",
            "has none of the fields none: it has agent, auth, client_ip",
        ),
        (
            {"preset": "telegraf-haproxy", "counters": ["x"]},
            "problem",
            "measurement 'haproxy' has none of the fields x: it has",
        ),
        ({**TIMED, "match": {"cluster": "eu"}}, "problem", "has no tag 'cluster', which match names"),
        ({**TIMED, "revision": "a|b"}, "warning", "measurement 'tail' has no tag or field 'a' or 'b': it has the tags"),
        ({**TIMED, "service": "none"}, "problem", "no request of the last 48 h has a service as [store.points] says"),
        ({**TIMED, "revision": "request:^(r.)$"}, "warning", "no request names a revision"),
        ({"measurement": "tail"}, "problem", "[store.points] has no service and no revision and no code"),
    ],
)
def test_the_checks_say_what_is_not_there(influxd, bucket, mapping, state, words):
    found = [(each, message) for _, each, message in findings(influxd, bucket, **mapping)]
    assert any(each == state and words in message for each, message in found), found
    assert all("\n" not in message and len(message) < 600 for _, message in found)


def test_points_of_now_are_well_and_old_ones_are_not(influxd):
    bucket, now = influxd.new_bucket(), int(time.time())
    telegraf.write(influxd, bucket, list(restarting(now - 10, [1, 2])))
    assert findings(influxd, bucket, preset="telegraf-haproxy")[-1][1] == "ok"
    # fields of several types in one point
    tags = {"service": "shop", "revision": "r1", "resp_code": "200"}
    fields = {"request": "/", "client_ip": "::1", "request_time": 0.5, "resp_bytes": 5}
    telegraf.write(influxd, bucket, [telegraf.line("tail", tags, fields, now * 10**9)])
    assert findings(influxd, bucket, **TIMED)[-1][1] == "ok"
    late = influxd.new_bucket()
    telegraf.write(influxd, late, list(restarting(now - 200, [1, 2])))
    _, state, message = findings(influxd, late, preset="telegraf-haproxy")[-1]
    assert state == "warning"
    assert "a release could not be measured" in message


def test_a_server_that_is_away_is_one_problem(influxd, bucket):
    away = settings(influxd, bucket, **TIMED).model_copy(update={"url": f"influxdb://127.0.0.1:{free_port()}/tests/b"})
    states = [check.run().state for check in store_checks(Config(store=away))]
    assert states == ["problem", *["skipped"] * 5]


def test_match_holds_for_the_tags_of_service_and_revision_too(influxd, bucket, traffic):
    store = store_of(influxd, bucket, **TIMED, match={"revision": "r1", "service": "shop"})
    assert [seen.revision for seen in store.revisions()] == ["r1"]
    assert {key[1] for key in counts(store.read("shop", ["r1", "r2"]))} == {"r1"}
    assert len(store.read("cart", ["r1"])) == 0


def test_a_cut_or_late_answer_is_an_error_and_never_fewer_requests(influxd, bucket, traffic):
    truth = store_of(influxd, bucket, **TIMED).read("shop", ["r1", "r2"])
    with TcpProxy(influxd.port) as proxy:
        reached = settings(influxd, bucket, **TIMED).model_copy(
            update={"url": influxd.address(bucket, port=proxy.port), "timeout_s": 1}
        )
        store = open_store(reached)
        for cut in (0, 50, 200, 5000, 100_000, 1_000_000):
            proxy.cut_after = cut
            # one that is cut among its headers does not look like InfluxDB's
            with pytest.raises((UnavailableError, DataError)) as raised:
                store.read("shop", ["r1", "r2"])
            assert "\n" not in str(raised.value)
        proxy.cut_after = None
        proxy.delay_s = 30
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=r"in time \(store\.timeout_s\)"):
            store.read("shop", ["r1", "r2"])
        assert time.monotonic() - began < 25
        proxy.delay_s = 0
        assert counts(store.read("shop", ["r1", "r2"]), "action", "code") == counts(truth, "action", "code")


def test_a_range_is_read_in_parts_of_bounded_size(influxd, bucket, traffic, monkeypatch):
    store = store_of(influxd, bucket, **TIMED)
    truth = counts(store.read("shop", ["r1", "r2"]), "action", "code")
    monkeypatch.setattr(points_bucket, "MOST_BYTES", 500_000)
    assert counts(store.read("shop", ["r1", "r2"]), "action", "code") == truth
    counters = store_of(influxd, bucket, preset="telegraf-haproxy")
    assert counts(counters.read("shop", ["r1", "r2"]), "code") == counts(traffic.rollups(), "code")
    monkeypatch.setattr(points_bucket, "MOST_BYTES", 5_000)
    with pytest.raises(DataError, match=r"narrow \[store\.points\] match, or set a shorter window_s"):
        store.read("shop", ["r1", "r2"])


def test_other_versions_of_influxdb_are_refused(bucket, influxd, monkeypatch):
    monkeypatch.setattr(InfluxClient, "ping", lambda client: "1.8.10")
    with pytest.raises(
        DataError, match=r"is InfluxDB 1\.8\.10: points of other programs are read from InfluxDB 2 only"
    ):
        store_of(influxd, bucket, **TIMED).exists()


def test_requests_without_a_revision_have_the_one_named_none(influxd, start):
    bucket = influxd.new_bucket()
    tags = {"service": "shop", "resp_code": "200", "verb": "GET"}
    lines = [
        telegraf.line("tail", {**tags, "revision": revision}, {"request": "/"}, (start + at) * 10**9)
        for at, revision in enumerate(["", "r1", ""])
    ]
    telegraf.write(influxd, bucket, lines)
    store = store_of(influxd, bucket, preset="telegraf-access-log")
    assert {seen.revision: seen.requests for seen in store.revisions()} == {"none": 2, "r1": 1}
    assert sum(counts(store.read("shop", ["none"])).values()) == 2
    assert sum(counts(store.read("shop", ["r1", "none"])).values()) == 3


@pytest.mark.parametrize("mapping", [TIMED, {"preset": "telegraf-haproxy"}], ids=["requests", "counters"])
@pytest.mark.parametrize("year", [1, 1700, 1970, 2001])
def test_a_start_long_ago_is_that_of_the_first_point(influxd, bucket, traffic, mapping, year):
    store = store_of(influxd, bucket, **mapping)
    began = time.monotonic()
    found = store.read("shop", ["r1", "r2"], datetime(year, 1, 2, tzinfo=UTC))
    assert counts(found, "code") == counts(traffic.rollups(), "code")
    assert store.revisions("shop", datetime(year, 1, 2, tzinfo=UTC)) == store.revisions("shop")
    assert time.monotonic() - began < 60

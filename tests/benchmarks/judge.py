"""The judge beside two peers on the same streams: the table of docs/explanation/measurements.md again, false alarms, and delay.

    python tests/benchmarks/judge.py            everything (about 10 minutes on two cores)
    python tests/benchmarks/judge.py --quick    a tenth of the runs

The peers are a z-test that is looked at after every window, and a Mann-Whitney test repeated on the values of
windows with a tolerance of a quarter of the shift. The table holds for tolerance 1, known φ = 1, alpha 5 %, a
canary of 10 % and 60 windows of a minute, a look after each. All streams come from one seed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import stats

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from pratique.judge.guard import Guard, e_values
from pratique.judge.hypergeometric import interpolation, psi_at_nodes
from pratique.telemetry.buckets import bucket_of, lower_ms
from pratique.telemetry.rollups import SCHEMA, Rollups

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.peers import mann_whitney_alarm, z_alarm
from support.simulate import START

SEED = 20261120
WINDOWS = 60
SHARE = 0.1
LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)
MEDIAN_MS, SPREAD = 100.0, 0.6


def split(rng: np.random.Generator, per_minute: int, runs: int, windows: int = WINDOWS) -> np.ndarray:
    """Requests per arm, window and run."""
    return np.stack([rng.poisson(per_minute * part, (windows, runs)) for part in (1 - SHARE, SHARE)])


def first(log_e: np.ndarray, alpha: float) -> np.ndarray:
    """The window (from 1) after which evidence passes 1/alpha, inf where it never does; log_e of shape (windows, runs)."""
    passed = log_e >= -math.log(alpha)
    return np.where(passed.any(axis=0), passed.argmax(axis=0) + 1.0, np.inf)


def shown(found: np.ndarray) -> str:
    """How many of the runs alarmed, and the median window."""
    median = np.median(found)
    return f"{np.isfinite(found).mean():6.1%}, {'–' if np.isinf(median) else f'{median:.0f}':>3}"


def guard_of(outcome: str, alpha: float = 0.05) -> Guard:
    """A guard as the product makes it, with tolerance 1 and φ = 1; each run is a separate action."""
    settings = GuardPolicy(outcome=outcome, tolerated_ratio=1.0)
    return Guard(outcome, settings, Policy(alpha=alpha, dispersion=1.0))


def errors(
    rng: np.random.Generator, per_minute: int, canary: float, runs: int, alpha: float = 0.05, baseline: float = 0.005
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First alarms of the judge on 5xx, and the stream: bad and n of shape (arms, windows, runs)."""
    n = split(rng, per_minute, runs)
    bad = np.stack([rng.binomial(n[0], baseline), rng.binomial(n[1], canary)])
    _, log_actions = guard_of("5xx", alpha).update(np.arange(WINDOWS), bad, n)
    return first(log_actions, alpha), bad, n


def exceeding(median: float, spread: float) -> np.ndarray:
    """Chance of each cell between the thresholds of the baseline's quantiles, which are bucket edges."""
    edges = [lower_ms(bucket_of(MEDIAN_MS * math.exp(SPREAD * stats.norm.ppf(level))) + 1) for level in LEVELS]
    below = stats.norm.cdf((np.log(edges) - math.log(median)) / spread)
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def latency(
    rng: np.random.Generator, per_minute: int, median: float, spread: float, runs: int, alpha: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """First alarms of the mean of the guards at five quantiles, and n."""
    n = split(rng, per_minute, runs)
    cells = [
        rng.multinomial(n[arm], exceeding(*shape)) for arm, shape in enumerate([(MEDIAN_MS, SPREAD), (median, spread)])
    ]
    total = np.zeros((WINDOWS, runs))
    for index, level in enumerate(LEVELS):
        bad = np.stack([cell[..., index + 1 :].sum(axis=-1) for cell in cells])
        _, log_actions = guard_of(f"p{level * 100:g}").update(np.arange(WINDOWS), bad, n)
        total += e_values(log_actions) / len(LEVELS)
    return first(np.log(np.maximum(total, 1e-300)), alpha), n


def peers_on_latency(rng: np.random.Generator, n: np.ndarray, median: float, spread: float, runs: int) -> list[str]:
    """The peers on fresh draws of the same distributions: share above the baseline's p95, and p95 per window."""
    z, mw = [], []
    edge = MEDIAN_MS * math.exp(SPREAD * stats.norm.ppf(0.95))
    for run in range(runs):
        above, p95 = np.zeros((2, WINDOWS), int), np.zeros((2, WINDOWS))
        for arm, (center, width) in enumerate([(MEDIAN_MS, SPREAD), (median, spread)]):
            for window in range(WINDOWS):
                # the peer compares arms of equal size, as its makers advise
                size = max(int(n[1, window, run]), 1)
                draws = np.exp(math.log(center) + width * rng.standard_normal(size))
                above[arm, window], p95[arm, window] = (draws > edge).sum(), np.quantile(draws, 0.95)
        z.append(z_alarm(above, np.stack([n[1, :, run]] * 2), alpha=0.05))
        mw.append(mann_whitney_alarm(p95[0], p95[1], first_look=10))
    return [shown(np.array(z, float)), shown(np.array(mw, float))]


def peers_on_errors(
    rng: np.random.Generator, bad: np.ndarray, n: np.ndarray, runs: int, first_look: int = 1
) -> list[str]:
    """The peers on the same stream."""
    runs = min(runs, bad.shape[2])
    z = [z_alarm(bad[:, :, run], n[:, :, run], alpha=0.05, first_look=first_look) for run in range(runs)]
    equal = rng.binomial(n[1], 0.005)
    mw = [
        mann_whitney_alarm(
            equal[:, run] / np.maximum(n[1, :, run], 1), bad[1, :, run] / np.maximum(n[1, :, run], 1), first_look=10
        )
        for run in range(runs)
    ]
    return [shown(np.array(z, float)), shown(np.array(mw, float))]


def table(runs: int) -> None:
    """The table: alarmed, and the median window."""
    rng = np.random.default_rng(SEED)
    few = max(runs // 10, 40)
    print(
        "tolerance 1, φ known to be 1, alpha 5 %, 60 windows, thresholds from a day of history; alarmed, median window"
    )
    print(f"{'stream':<46}{'peeked z-test':>15}{'Mann-Whitney':>15}{'this judge':>15}   expected")
    rows: list[tuple[str, int, float, str]] = [
        ("nothing wrong, 5xx 0.5 %", 600, 0.005, "0.8-1.2 %"),
        ("nothing wrong, 5xx 0.5 %, 6,000 requests", 6000, 0.005, "0.8-1.2 %"),
        ("5xx 0.5 -> 1.5 %", 600, 0.015, "100 %, 12"),
        ("5xx 0.5 -> 1.5 %, 6,000 requests", 6000, 0.015, "100 %, 2"),
    ]
    for name, rate, canary, goal in rows:
        found, bad, n = errors(rng, rate, canary, runs * (4 if canary == 0.005 else 1))
        z, mw = peers_on_errors(rng, bad, n, runs, 1 if canary == 0.005 else 5)
        print(f"{name:<46}{z:>15}{mw:>15}{shown(found):>15}   {goal}", flush=True)
    tail = SPREAD + math.log(1.1) / stats.norm.ppf(0.95)
    shapes: list[tuple[str, int, float, float, str]] = [
        ("nothing wrong, latency", 600, MEDIAN_MS, SPREAD, "0.9 %"),
        ("latency x 1.10", 600, 1.1 * MEDIAN_MS, SPREAD, "100 %, 11"),
        ("median the same, p95 +10 %", 600, MEDIAN_MS, tail, "92 %, 29"),
        ("median the same, p95 +10 %, 6,000 requests", 6000, MEDIAN_MS, tail, "100 %, 4"),
    ]
    for name, rate, median, spread, goal in shapes:
        found, n = latency(rng, rate, median, spread, runs)
        z, mw = peers_on_latency(rng, n, median, spread, few)
        print(f"{name:<46}{z:>15}{mw:>15}{shown(found):>15}   {goal}", flush=True)


def oracle(runs: int, alpha: float = 0.05) -> None:
    """Delay for 5xx 0.5 -> 1.5 % beside the sequential test that knows the odds ratio, on the same streams."""
    rng = np.random.default_rng(SEED + 1)
    ours, bad, n = errors(rng, 600, 0.015, runs, alpha)
    theta = math.log((0.015 / 0.985) / (0.005 / 0.995))
    total, marked, canary = n.sum(axis=0).ravel(), bad.sum(axis=0).ravel(), n[1].ravel()
    psi = (psi_at_nodes(total, marked, canary) @ interpolation([theta]))[:, 0]
    known = first(np.cumsum((bad[1].ravel() * theta - psi).reshape(WINDOWS, runs), axis=0), alpha)
    p, q = 0.015, 0.005
    per_window = 60 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    ratio = np.median(ours) / np.median(known)
    print(
        f"delay, 5xx 0.5 -> 1.5 %, 600 requests: median {np.median(ours):.0f} windows, mean {np.mean(np.minimum(ours, WINDOWS)):.1f}"
    )
    print(
        f"  oracle on the same streams: median {np.median(known):.0f}, mean {np.mean(np.minimum(known, WINDOWS)):.1f}; log(1/α) / KL = {math.log(1 / alpha) / per_window:.1f}"
    )
    print(
        f"  ratio of the medians {ratio:.2f}, of the means {np.minimum(ours, WINDOWS).mean() / np.minimum(known, WINDOWS).mean():.2f} (at most 1.5, aim for 1.25)"
    )


RARE_WINDOWS = 540
"""Windows of 10 s after the canary's start in the rows on low traffic: an hour and a half."""
DAY = 8640
"""Windows of 10 s in a day, which the judge reads before a canary by default."""


def counted_rows(revision: str, action: str, start: int, n: np.ndarray, bad: np.ndarray) -> pa.Table:
    """Rollups of one action in windows of 10 s, without durations: codes 200 and 503."""
    time_ms = int(START.timestamp() * 1000) + (start + np.arange(len(n))) * 10_000
    parts = []
    for code, counts in ((200, n - bad), (503, bad)):
        seen = counts > 0
        rows = _rows(revision, revision, time_ms[seen], code, np.zeros((int(seen.sum()), 1), np.int64))
        rows = rows.set_column(rows.schema.get_field_index("n"), SCHEMA.field("n"), pa.array(counts[seen]))
        rows = rows.set_column(
            rows.schema.get_field_index("action"), SCHEMA.field("action"), pa.array([action] * len(rows), pa.string())
        )
        width = pa.array(np.full(len(rows), 10, np.int32))
        parts.append(rows.set_column(rows.schema.get_field_index("window_s"), SCHEMA.field("window_s"), width))
    return pa.concat_tables(parts)


def one_rare(
    seed: np.random.SeedSequence,
    per_minute: float,
    share: float,
    actions: dict[str, float],
    failing: float,
    history: int,
) -> tuple[float, float, float, float]:
    """Minutes to the rollback by the judge, and by three tests that know both rates: with its tolerance, and without; and with it, but not the place.

    That one shares its evidence equally among the actions and the service as a whole, and finds its part in the last action only.

    actions: their shares of the traffic; the canary fails at `failing` in the last one, and at 0.5 % in all others, as
    the baseline does everywhere. history: windows before the canary, on one host. The tests that know the rates see the last action alone, minute by minute.
    """
    rng = np.random.default_rng(seed)
    rows, known = [], None
    for action, part in actions.items():
        rate = per_minute * part / 6.0
        past = rng.poisson(rate, history)
        rows.append(counted_rows("r1", action, -history, past, rng.binomial(past, 0.005)))
        bad_share = failing if action == list(actions)[-1] else 0.005
        n = np.stack([rng.poisson(rate * arm, RARE_WINDOWS) for arm in (1 - share, share)])
        bad = np.stack([rng.binomial(n[0], 0.005), rng.binomial(n[1], bad_share)])
        rows += [counted_rows(r, action, 0, n[arm], bad[arm]) for arm, r in enumerate(("r1", "r2"))]
        known = n.reshape(2, -1, 6).sum(axis=2), bad.reshape(2, -1, 6).sum(axis=2)
    judge = Judge(Policy(deadline_min=10**6), "shop", "r1", "r2", 10, start=START)
    judge.update(Rollups(pa.concat_tables(rows)))
    fired = judge.state.fired_ms
    ours = (fired - START.timestamp() * 1000 + 10_000) / 60_000 if fired is not None else math.inf
    n, bad = known
    theta = min(math.log((failing / (1 - failing)) / (0.005 / 0.995)), 3.0)
    found = []
    places = len(actions) + 1 if len(actions) > 1 else 1
    for null, limit in ((math.log(1.5), 0.01), (0.0, 0.01), (math.log(1.5), 0.01 / places)):
        psi = psi_at_nodes(n.sum(axis=0), bad.sum(axis=0), n[1]) @ interpolation([theta, null])
        log_e = np.cumsum(bad[1] * (theta - null) - (psi[:, 0] - psi[:, 1]))
        found.append(float(first(log_e[:, None], limit)[0]))
    return ours, found[0], found[1], found[2]


def rare(runs: int) -> None:
    """Low traffic, or one bad action: minutes to the rollback under the default policy beside tests that know both rates."""
    six = {
        "GET /": 0.39,
        "GET /search": 0.3,
        "GET /product": 0.2,
        "POST /cart": 0.07,
        "GET /checkout": 0.03,
        "POST /pay": 0.01,
    }
    all_of = {"GET /": 1.0}
    streams: list[tuple[str, float, float, dict[str, float], float, int]] = [
        ("40 a minute, canary 10 %, 0.5 -> 6 %", 40, 0.1, all_of, 0.06, DAY),
        ("40 a minute, canary 30 %, 0.5 -> 6 %", 40, 0.3, all_of, 0.06, DAY),
        ("40 a minute, canary 30 %, 0.5 -> 20 %", 40, 0.3, all_of, 0.2, DAY),
        ("the same, an hour of history", 40, 0.3, all_of, 0.2, 360),
        ("1 % of 6,000 a minute, 0.5 -> 5 %", 6000, 0.1, six, 0.05, DAY),
        ("1 % of 6,000 a minute, 0.5 -> 20 %", 6000, 0.1, six, 0.2, DAY),
        ("1 % of 600 a minute, 0.5 -> 20 %", 600, 0.1, six, 0.2, DAY),
        ("1 % of 600 a minute, nothing wrong", 600, 0.1, six, 0.005, DAY),
        ("40 a minute, canary 30 %, nothing wrong", 40, 0.3, all_of, 0.005, DAY),
    ]
    print(
        "default policy, windows of 10 s, a day of history on one host, alpha 1 %; rolled back, and the median minute, of 90 minutes"
    )
    print(
        f"{'stream':<42}{'this judge':>13}{'knows both':>13}{'ratio':>7}{'  and no tolerance':>18}{'  but not the place':>19}"
    )
    with ProcessPoolExecutor() as pool:
        for index, (name, *stream) in enumerate(streams):
            seeds = np.random.SeedSequence(SEED + 40 + index).spawn(runs)
            given = (repeat(value) for value in stream)
            ours, known, strict, anywhere = np.array(list(pool.map(one_rare, seeds, *given, chunksize=5))).T
            ratio = np.median(ours) / np.median(known) if np.isfinite(np.median(ours)) else math.nan
            print(
                f"{name:<42}{shown(ours):>13}{shown(known):>13}{ratio:>7.2f}{shown(strict):>18}{shown(anywhere):>19}",
                flush=True,
            )


def noise(rng: np.random.Generator, windows: int, sd: float, memory: float = 0.8) -> np.ndarray:
    """Log-normal noise with autocorrelation, of mean about 1."""
    steps = rng.standard_normal(windows) * sd * math.sqrt(1 - memory**2)
    value, found = rng.standard_normal() * sd, np.empty(windows)
    for index, step in enumerate(steps):
        value = memory * value + step
        found[index] = value
    return np.exp(found - sd * sd / 2)


BUCKETS = np.arange(bucket_of(10.0), bucket_of(1500.0) + 1, 3)  # every third: the draws are what takes the time
EDGES = np.log([lower_ms(int(bucket)) for bucket in BUCKETS[1:]])


def arm_rows(
    rng: np.random.Generator,
    revision: str,
    host: str,
    start: int,
    rate: np.ndarray,
    *,
    failing: float = 0.005,
    median_ms: float = MEDIAN_MS,
    spread: float = SPREAD,
    noisy: bool = True,
) -> pa.Table:
    """One host's rollups, by default under its own noise: codes 200 and 503, latency with its histogram."""
    windows = len(rate)
    errors_move, latency_moves = (noise(rng, windows, sd) if noisy else np.ones(windows) for sd in (0.3, 0.03))
    n = rng.poisson(rate)
    bad = rng.binomial(n, np.minimum(failing * errors_move, 1.0))
    below = stats.norm.cdf((EDGES[None, :] - np.log(median_ms * latency_moves)[:, None]) / spread)
    cells = np.diff(np.concatenate([np.zeros((windows, 1)), below, np.ones((windows, 1))], axis=1), axis=1)
    good = rng.multinomial(n - bad, np.maximum(cells, 0) / cells.sum(axis=1, keepdims=True))
    time_ms = int(START.timestamp() * 1000) + (start + np.arange(windows)) * 60_000
    parts = [
        _rows(revision, host, time_ms, 200, good),
        _rows(revision, host, time_ms[bad > 0], 503, bad[bad > 0][:, None]),
    ]
    return pa.concat_tables(parts)


def _rows(revision: str, host: str, time_ms: np.ndarray, code: int, counts: np.ndarray) -> pa.Table:
    rows = len(time_ms)
    filled = counts > 0
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int32)
    bucket = np.broadcast_to(BUCKETS[: counts.shape[1]], counts.shape)[filled].astype(np.int16)
    texts = {"service": "shop", "revision": revision, "action": "GET /", "host": host, "source": "x"}
    columns = {name: pa.array([value] * rows, pa.string()) for name, value in texts.items()}
    columns |= {
        "window": pa.array(time_ms).cast(pa.timestamp("ms", tz="UTC")),
        "window_s": pa.array(np.full(rows, 60, np.int32)),
        "code": pa.array(np.full(rows, code, np.int16)),
        "n": pa.array(counts.sum(axis=1)),
        "sum_ms": pa.array(np.zeros(rows)),
        "bucket": pa.ListArray.from_arrays(offsets, bucket),
        "count": pa.ListArray.from_arrays(offsets, counts[filled].astype(np.int64)),
    }
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def one_release(seed: np.random.SeedSequence, per_minute: int, behaviour: dict[str, float]) -> tuple[float, float]:
    """First window (from 1) of a rollback and of a promotion under the default policy, whichever comes; inf: neither."""
    rng = np.random.default_rng(seed)
    judge = Judge(Policy(deadline_min=10**6), "shop", "r1", "r2", 60, start=START)
    arms = [("r1", host, (1 - SHARE) / 2, {}) for host in "ab"] + [("r2", host, SHARE / 2, behaviour) for host in "cd"]
    past = [arm_rows(rng, "r1", host, -240, np.full(240, per_minute / 2), noisy=False) for host in "ab"]
    judge.update(Rollups(pa.concat_tables(past)))
    for window in range(WINDOWS):
        rate = np.array([float(per_minute)])
        rows = [arm_rows(rng, r, h, window, part * rate, noisy=False, **how) for r, h, part, how in arms]
        judge.update(Rollups(pa.concat_tables(rows)))
        verdict = judge.verdict(START).verdict
        if verdict in ("rollback", "promote"):
            return (window + 1.0, math.inf) if verdict == "rollback" else (math.inf, window + 1.0)
    return math.inf, math.inf


def default_policy(runs: int) -> None:
    """The same streams under the policy of a service that sets nothing: whole verdicts, not single guards."""
    tail = [SPREAD + math.log(factor) / stats.norm.ppf(0.95) for factor in (1.1, 1.25)]
    streams: list[tuple[str, int, dict[str, float]]] = [
        ("nothing wrong", 600, {}),
        ("nothing wrong", 6000, {}),
        ("5xx 0.5 -> 1.5 %", 600, {"failing": 0.015}),
        ("5xx 0.5 -> 1.5 %", 6000, {"failing": 0.015}),
        ("latency x 1.10, about what is tolerated", 6000, {"median_ms": 1.1 * MEDIAN_MS}),
        ("latency x 1.25", 600, {"median_ms": 1.25 * MEDIAN_MS}),
        ("median the same, p95 +10 %, tolerated in part", 6000, {"spread": tail[0]}),
        ("median the same, p95 +25 %", 6000, {"spread": tail[1]}),
    ]
    print(
        "default policy: alpha 1 %, promotion at 5 %, tolerances (5xx 1.5 and 0.1 %, p50 and p95 9 %, p99 19 %), measured φ"
    )
    print(f"{'stream':<46}{'requests/min':>14}{'rolled back':>15}{'promoted':>15}")
    with ProcessPoolExecutor() as pool:
        for index, (name, per_minute, behaviour) in enumerate(streams):
            seeds = np.random.SeedSequence(SEED + 10 + index).spawn(runs)
            found = list(pool.map(one_release, seeds, repeat(per_minute), repeat(behaviour), chunksize=5))
            rolled, promoted = np.array(found).T
            print(f"{name:<46}{per_minute:>14,}{shown(rolled):>15}{shown(promoted):>15}", flush=True)


def one_canary(seed: np.random.SeedSequence, windows: int) -> tuple[bool, float]:
    """Whether a canary without a difference was rolled back, and φ of its errors at the end."""
    rng = np.random.default_rng(seed)
    policy = Policy(history_min=windows, minimum_requests=10**9, deadline_min=10**6)
    weights = np.repeat([0.01, 0.05, 0.25, 0.5, 0.1], windows // 5 + 1)[:windows]
    day = 600 * (1.0 + 0.6 * np.sin(2 * np.pi * np.arange(windows) / 1440))
    judge = Judge(policy, "shop", "r1", "r2", 60, start=START)
    history = [arm_rows(rng, "r1", host, -windows, day / 2) for host in ("a", "b")]
    beside = [arm_rows(rng, "r1", host, 0, day * (1 - weights) / 2) for host in ("a", "b")]
    canary = [arm_rows(rng, "r2", host, 0, day * weights / 2) for host in ("c", "d")]
    judge.update(Rollups(pa.concat_tables([*history, *beside, *canary])))
    return judge.state.fired_ms is not None, judge.state.guards[0].phi


def false_alarms(canaries: int, windows: int = 1440) -> None:
    """Whole canaries without a difference, through the judge as a release uses it, under the default policy."""
    began = time.perf_counter()
    seeds = np.random.SeedSequence(SEED + 2).spawn(canaries)
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(one_canary, seeds, repeat(windows), chunksize=20))
    alarms, alpha = sum(fired for fired, _ in found), Policy().alpha
    bound = alpha + 2.0 * math.sqrt(alpha * (1 - alpha) / canaries)
    print(
        f"false alarms: {alarms} of {canaries} canaries without a difference ({alarms / canaries:.2%}), a look after each of "
        f"{windows:,} windows, daily cycle, weights from 1 to 50 %, noise of sd 0.3 and autocorrelation 0.8 "
        f"(median φ of 5xx {np.median([phi for _, phi in found]):.1f})"
    )
    print(f"  at most α = {alpha:.0%} within sampling error ({bound:.2%}); {time.perf_counter() - began:.0f} s")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    arguments = parser.parse_args()
    runs, canaries = (100, 100) if arguments.quick else (1000, 2000)
    print(f"seed {SEED}, {runs} runs a row\n")
    table(runs)
    print()
    oracle(4 * runs)
    print()
    default_policy(max(runs // 10, 20))
    print()
    rare(max(runs // 5, 40))
    print()
    false_alarms(canaries)


if __name__ == "__main__":
    main()

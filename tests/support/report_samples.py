"""A canary with errors in /checkout and a slow /search: rollups from a fixed seed, and a verdict about them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pratique.judge.model import Finding, GuardResult, Trace, Verdict
from pratique.telemetry.rollups import Rollups

START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MINUTES = 30
ACTIONS = [
    # action, share, median ms, share of 5xx
    ("GET /", 0.30, 12.0, 0.001),
    ("GET /product/{id}", 0.40, 25.0, 0.001),
    ("GET /search", 0.15, 60.0, 0.002),
    ("POST /cart", 0.10, 30.0, 0.002),
    ("POST /checkout", 0.05, 90.0, 0.005),
]
WEIGHTS = [
    (START, {"r2": 0.95, "r3": 0.05}),
    (START + timedelta(minutes=8), {"r2": 0.75, "r3": 0.25}),
    (START + timedelta(minutes=18), {"r2": 0.5, "r3": 0.5}),
]
HOSTILE = [
    "<script>window.__pwned=1</script>",
    '"><img src=x onerror="window.__pwned=2">',
    "${window.__pwned=3} %{window.__pwned=3} {{7*7}} $\\href{javascript:window.__pwned=3}{x}$",
    "line\nbreak\r\n</script><script>window.__pwned=4</script>\u2028",
    '<a href="javascript:window.__pwned=5">x</a> <b>bold</b> javascript:window.__pwned=5//',
    "GET /" + "<i>A&lt;B</i>" * 800,
    "\u202egnp.exe\x00\x1b[31mred",
]


def sample_events(
    *, start=START, minutes=MINUTES, rate=25.0, worse=True, weights=WEIGHTS, names=None, seed=7, history=0
):
    """Events of the shop as Rollups.from_events takes them; `history`: minutes of the baseline alone before."""
    rng = np.random.default_rng(seed)
    total = int((minutes + history) * 60 * rate)
    seconds = np.sort(rng.uniform(-history * 60, minutes * 60, total))
    share = np.zeros(total)
    for time, shares in weights:
        share[seconds >= (time - start).total_seconds()] = shares["r3"]
    share[seconds < 0] = 0.0
    canary = rng.random(total) < share
    kind = rng.choice(len(ACTIONS), total, p=[action[1] for action in ACTIONS])
    median = np.array([action[2] for action in ACTIONS])[kind]
    failing = np.array([action[3] for action in ACTIONS])[kind]
    if worse:
        median = np.where(canary & (kind == 2), median * 1.4, median)
        failing = np.where(canary & (kind == 4), 0.06, failing)
    draw = rng.random(total)
    code = np.where(draw < failing, 503, np.where(draw < failing + 0.012, 404, 200)).astype(np.int16)
    names = names or {}
    return pa.table(
        {
            "time_ms": (start.timestamp() * 1000 + seconds * 1000).astype(np.int64),
            "service": pa.array(["shop"] * total),
            "revision": pa.array(np.where(canary, names.get("r3", "r3"), names.get("r2", "r2"))),
            "action": pa.array([names.get(ACTIONS[k][0], ACTIONS[k][0]) for k in kind]),
            "host": pa.array([names.get(f"web{k % 2}", f"web{k % 2}") for k in range(total)]),
            "source": pa.array(["sample"] * total),
            "code": pa.array(code),
            "duration_ms": pa.array(rng.lognormal(np.log(median), 0.5)),
        }
    )


def sample_rollups(**options):
    """The same events, rolled up in windows of 10 s."""
    return Rollups.from_events(sample_events(**options), window_s=10)


def sample_guard(guard="5xx", action="*", **changes):
    """One guard's result; worse than tolerated by default."""
    result = GuardResult(
        guard=guard,
        action=action,
        bad={"r2": 98, "r3": 31},
        requests={"r2": 9310, "r3": 1020},
        ratio=2.9,
        ratio_low=1.7,
        ratio_high=5.1,
        excess=0.0199,
        excess_high=0.031,
        tolerated_ratio=1.5,
        tolerated_excess=0.001,
        e_value=412.0,
        first_fired=START + timedelta(minutes=12, seconds=10),
        state="worse",
        reason=f"{action} {guard}: 2.9x [1.7, 5.1], 31/1,020 canary against 98/9,310 baseline, evidence 412 of 100 needed",
        threshold_ms={"p50": 26.0, "p95": 120.0, "p99": 240.0}.get(guard),
        flagged=action == "POST /checkout",
    )
    return replace(result, **changes)


def sample_verdict(actions=None, baseline="r2", canary="r3", **changes):
    """A rollback: /checkout fails, /search is slow, and one guard of one action could not be evaluated."""
    states = {
        ("5xx", "*"): {},
        ("5xx", "POST /checkout"): {"ratio": 11.2, "ratio_low": 6.1, "ratio_high": 22.0, "e_value": 3.1e9},
        ("p50", "GET /search"): {"ratio": 2.1, "ratio_low": 1.6, "ratio_high": 2.9, "e_value": 5200.0},
        ("p95", "GET /search"): {"ratio": 2.4, "ratio_low": 1.5, "ratio_high": 3.9, "e_value": 260.0},
        ("p99", "POST /checkout"): {
            "state": "not evaluated",
            "ratio": None,
            "ratio_low": None,
            "ratio_high": None,
            "excess": None,
            "excess_high": None,
            "e_value": 1.0,
            "first_fired": None,
        },
    }
    calm = {
        "ratio": 1.04,
        "ratio_low": 0.8,
        "ratio_high": 1.3,
        "e_value": 0.02,
        "first_fired": None,
        "state": "met",
        "excess": 0.0001,
        "excess_high": 0.0008,
    }
    unsure = {**calm, "ratio": 0.7, "ratio_low": 0.3, "ratio_high": 1.9, "e_value": 0.6, "state": "open"}
    names = ["*", *[action[0] for action in ACTIONS]]
    swap = dict(zip(names[1:], actions or names[1:], strict=False))
    guards = []
    for action in names:
        for guard in ("5xx", "4xx", "p50", "p95", "p99"):
            told = states.get((guard, action), unsure if guard in ("4xx", "p99") else calm)
            guards.append(sample_guard(guard, swap.get(action, action), **told))
    guards = tuple(
        replace(
            g,
            bad={baseline: g.bad["r2"], canary: g.bad["r3"]},
            requests={baseline: g.requests["r2"], canary: g.requests["r3"]},
        )
        for g in guards
    )
    windows = MINUTES * 6
    grow = np.linspace(0, 1, windows)
    combined = np.exp(np.log(412) * grow**2 * 1.3 + np.random.default_rng(3).normal(0, 0.15, windows))
    times = np.datetime64(START.replace(tzinfo=None), "ms") + np.arange(1, windows + 1) * np.timedelta64(10_000, "ms")
    fired = START + timedelta(seconds=10 * (int(np.argmax(combined >= 100)) + 1))
    verdict = Verdict(
        verdict="rollback",
        reason="5xx of POST /checkout are 11x [6.1, 22] the baseline's, more than the 1.5x tolerated",
        service="shop",
        baseline=baseline,
        canary=canary,
        start=START,
        end=START + timedelta(minutes=MINUTES),
        window_s=10,
        requests={baseline: 33120, canary: 11880},
        e_value=float(combined[-1]),
        needed=100.0,
        fired=fired,
        guards=guards,
        findings=(
            Finding(
                "late lines", "note", "312 lines came more than 60 s after their window's end and were not counted"
            ),
            Finding(
                "no history",
                "hold",
                "the baseline has no requests before the canary: thresholds come from the warm-up windows",
            ),
        ),
        remaining=None,
        dispersion={"5xx": 1.0, "p50": 1.4, "p95": 1.2},
        trace=Trace(
            times,
            combined,
            {
                "5xx": combined**1.4,
                "4xx": np.exp(-2 * grow),
                "p50": combined**0.8,
                "p95": combined**0.5,
                "p99": np.exp(-grow),
            },
        ),
        alpha=0.01,
        alpha_promote=0.05,
        method="conditional hypergeometric e-process",
        version="0.1.0",
    )
    return replace(verdict, **changes)

"""Write an hour of the shop's access log, with a canary in it, and import it where there is no data yet.

    python examples/shop/sample.py                 for `make lab`: fill the example's store, once
    python examples/shop/sample.py --log shop.log  only write the log: nginx's combined format with the
                                                   request time and the revision behind it

r2 runs; for the second half hour r3 gets one request in ten. r3 fails at the checkout more often and
searches more slowly. The numbers come from a fixed seed; the log ends at the last full hour.
"""

import argparse
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LOG_FORMAT = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time $revision'
ACTIONS = [
    # method, path, share, median ms, share of 5xx
    ("GET", "/", 0.30, 12.0, 0.001),
    ("GET", "/product/{id}", 0.37, 25.0, 0.001),
    ("GET", "/search?q={id}", 0.15, 60.0, 0.002),
    ("POST", "/cart", 0.10, 30.0, 0.002),
    ("POST", "/checkout", 0.08, 90.0, 0.005),
]
SLOWER_SEARCH = 1.8
CHECKOUT_FAILURES = 0.25


def lines(end: datetime, *, minutes: int = 60, per_minute: int = 1800, seed: int = 7) -> list[str]:
    """The log's lines, in order of time."""
    rng = np.random.default_rng(seed)
    total = minutes * per_minute
    seconds = np.sort(rng.uniform(0, minutes * 60, total))
    kinds = rng.choice(len(ACTIONS), total, p=[action[2] for action in ACTIONS])
    canary = (seconds >= minutes * 30) & (rng.random(total) < 0.10)
    written = []
    for second, kind, is_canary in zip(seconds, kinds, canary, strict=True):
        method, path, _, median, failing = ACTIONS[kind]
        worse = is_canary and path.startswith("/search")
        broken = CHECKOUT_FAILURES if is_canary and path == "/checkout" else failing
        duration = rng.lognormal(np.log(median * (SLOWER_SEARCH if worse else 1.0)), 0.5)
        draw = rng.random()
        code = 503 if draw < broken else 404 if draw < broken + 0.01 else 200
        when = (end - timedelta(minutes=minutes) + timedelta(seconds=float(second))).strftime("%d/%b/%Y:%H:%M:%S +0000")
        request = f"{method} {path.format(id=rng.integers(1, 5000))} HTTP/1.1"
        host = f"10.0.{kind}.{rng.integers(1, 255)}"
        written.append(
            f'{host} - - [{when}] "{request}" {code} {rng.integers(300, 9000)} "-" "shop-app/4.2" {duration / 1000:.3f} {"r3" if is_canary else "r2"}'
        )
    return written


def main() -> int:
    """Write the log; without --log import it, unless the example's store has data already."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, help="write only the log, to this file")
    arguments = parser.parse_args()
    state = HERE / ".pratique"
    if arguments.log is None and (state / "store").exists():
        return 0
    log = arguments.log or state / "sample.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    log.write_text("\n".join(lines(end)) + "\n", encoding="utf-8")
    if arguments.log is not None:
        print(f"wrote {log}; its format is: {LOG_FORMAT}")
        return 0
    command = [sys.executable, "-m", "pratique.cli", "import", str(log), "--service", "shop", "--format", "combined"]
    command += ["--log-format", LOG_FORMAT, "--revision-from", "revision", "--config", str(HERE / "pratique.toml")]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Two incidents on the sample service: `make demo-incident`. Takes about four minutes, and ends by itself.

r1 runs in two instances behind the balancer under a steady load, and r2 is released through runbooks/release.ipynb. Then every
second checkout of one instance fails: within a minute of data, the page of the incident must name the action and the instance. That fault ends, and
r4, which is harmless, gets half of the traffic. Then the payments, which all instances of both revisions need, refuse every second one:
the page must name the action and blame no release. The exit status is 0 only if both pages are right. Afterwards nothing that was
started is left, except the folder with the pages. A port that another program uses is replaced by a free one.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from demo_ports import copy_with_free_ports, free_port

from pratique.balancer import open_balancer
from pratique.config import load
from pratique.runtime import open_runtime

HERE = Path(__file__).parent
STATE = HERE / ".pratique" / "incident"
RATE = 150
LIMIT_S = 1800
"""The load ends with the demo; this is for a demo that was killed."""
HISTORY_S = 10
"""How long r1 runs alone: with the release of r2, or the time of the canary, a minute of history."""
QUIET_S = 20
"""How long all is well before a fault: two windows of the analysis."""
CANARY_S = 30
"""How long all is well with a canary before a fault. It is in time for the fault, so its requests must be shown to fare no worse."""
DATA_S = 60
"""How much data after a fault the page may need."""
LOOKS_S = 10
ACTION = "POST /checkout"


class Shop:
    """The running shop of the demo in its own folder."""

    def __init__(self, state: Path) -> None:
        shutil.rmtree(state, ignore_errors=True)
        self.state, self.config_file = state, state / "demo.toml"
        self.faults, self.payments = state / "faults", free_port()
        self.address = copy_with_free_ports(HERE / "pratique-incident.toml", self.config_file, state=state)
        self._copy_releases(state / "releases")
        self.faults.mkdir()
        text = self.config_file.read_text(encoding="utf-8").replace(str(HERE / "releases"), str(state / "releases"))
        env = f'FAULTS = "{self.faults}"\nPAYMENTS = "127.0.0.1:{self.payments}"\n'
        self.config_file.write_text(f"{text}\n[services.shop.runtime.env]\n{env}", encoding="utf-8")
        self.target = load(str(self.config_file)).target("shop")

    def _copy_releases(self, folder: Path) -> None:
        for name, original in (("r1", "r1"), ("r2", "r2"), ("r4", "r2")):
            shutil.copytree(HERE / "releases" / original, folder / name)
        told = folder / "r4" / "release.json"
        told.write_text(json.dumps({**json.loads(told.read_text(encoding="utf-8")), "name": "r4"}), encoding="utf-8")

    def pratique(self, *arguments: str) -> list[str]:
        """Return the command line of a pratique command with the demo's service file."""
        return [sys.executable, "-m", "pratique.cli", *arguments, "--config", str(self.config_file)]

    def release(self, revision: str, *more: str) -> list[str]:
        """Return the command line that releases a revision through the runbook."""
        pairs = {
            "service": "shop",
            "revision": revision,
            "run_id": f"demo-{revision}",
            "why": "the demo",
            "who": "demo",
        }
        words = [word for key, value in pairs.items() for word in ("-p", key, value)]
        return self.pratique("run", "release", *words, *more)

    def instance(self) -> str:
        """Return the address of the instance that is to fail."""
        return open_runtime(self.target).list("shop")[0].address

    def shares(self) -> dict[str, float]:
        """Return the shares of the revisions that have traffic."""
        shares = open_balancer(self.target).weights("shop").shares
        return {revision: share for revision, share in shares.items() if share > 0}


def say(text: str) -> None:
    """Print a step with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


@contextmanager
def started(command: list[str], log: IO[bytes] | None = None):
    """Run a program until the block ends. log: takes its output."""
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def analysed(shop: Shop, start: datetime, end: datetime, *more: str) -> dict:
    """Return the answer about a range, from the command line."""
    times = [
        word for name, time in (("--start", start), ("--end", end)) for word in (name, f"{time:%Y-%m-%dT%H:%M:%S}")
    ]
    done = subprocess.run(
        shop.pratique("incident", "shop", *times, "--json", *more), stdout=subprocess.PIPE, text=True, check=False
    )
    return json.loads(done.stdout) if done.stdout else {}


def page_of(shop: Shop, began: datetime, **place: str | None) -> bool:
    """Look again and again until the answer is right, for at most a minute of data; whether its page says it."""
    start, late = began - timedelta(seconds=QUIET_S), timedelta(seconds=shop.target.telemetry.late_s + 2)
    for after_s in range(2 * LOOKS_S, DATA_S + 1, LOOKS_S):
        end = began + timedelta(seconds=after_s)
        time.sleep(max(0.0, (end + late - datetime.now(UTC)).total_seconds()))
        found = analysed(shop, start, end)
        say(f"{after_s} s of data: {found.get('answer')}: {found.get('sentence')}")
        if is_right(found, place):
            analysed(shop, start, end, "--out", str(shop.state / "pages"))
            page = max((shop.state / "pages").glob("*.html"), key=lambda path: path.stat().st_mtime)
            say(f"page {page}")
            text = page.read_text(encoding="utf-8")
            return all(word in text for word in ("No known change explains it", *filter(None, place.values())))
    return False


def is_right(found: dict, place: dict[str, str | None]) -> bool:
    """Whether an answer begins with a place, calls no change the cause, and proposes to undo none."""
    first = ((found.get("places") or {}).get("found") or [{}])[0]
    grades = {suspect["grade"] for suspect in found.get("suspects", ())}
    blames_none = found.get("answer") == "no change of ours explains it" and not grades & {"shown", "fits"}
    return place.items() <= first.items() and blames_none and not found["undo"]


def one_instance(shop: Shop) -> bool:
    """Let one action of one instance fail; whether the page named both."""
    address = shop.instance()
    fault = shop.faults / address.rpartition(":")[2]
    began = datetime.now(UTC)
    fault.write_text(f"{ACTION} 0.5", encoding="utf-8")
    say(f"fault: every second {ACTION} of the instance {address} fails")
    try:
        return page_of(shop, began, action=ACTION, host=address)
    finally:
        fault.unlink()


def shared_dependency(shop: Shop, payments: subprocess.Popen) -> bool:
    """Stop what all revisions need, while a canary has half of the traffic; whether the page blamed no release."""
    with (shop.state / "r4.log").open("wb") as log, started(shop.release("r4", "-p", "approval", "ask"), log) as run:
        limit = time.monotonic() + 120
        while "r4" not in shop.shares() and time.monotonic() < limit and run.poll() is None:
            time.sleep(0.5)
        say(f"traffic: {shop.shares()}")
        time.sleep(CANARY_S)
        began = datetime.now(UTC)
        payments.send_signal(signal.SIGUSR1)
        say("fault: the payments, which every checkout needs, refuse every second one")
        right = page_of(shop, began, action=ACTION, host=None, revision=None)
        say("undo the release of r4")
        subprocess.run(shop.pratique("abort", "demo-r4", "--why", "the demo ends"), check=False)
        run.wait(timeout=60)
    return right


def main() -> int:
    """Run both incidents; 0 when both pages are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("instance", "dependency"), help="only this incident")
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of everything that the demo writes")
    arguments = parser.parse_args()
    # so that it cleans up when it is stopped, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    shop = Shop(arguments.state.absolute())
    began = time.monotonic()
    with ExitStack() as stack:
        payments = stack.enter_context(started([sys.executable, str(HERE / "payments.py"), str(shop.payments)]))
        stack.callback(subprocess.run, shop.pratique("down", "shop"), check=False)
        say("start the shop: r1 in two instances")
        up = subprocess.run(shop.pratique("up", "shop", "r1"), check=False)
        if up.returncode:
            # its own message is above
            return up.returncode
        load = [
            str(HERE / "load.py"),
            "--url",
            f"http://{shop.address}",
            "--rate",
            str(RATE),
            "--seconds",
            str(LIMIT_S),
        ]
        stack.enter_context(started([sys.executable, *load]))
        say(f"steady load: {RATE} requests/s; r1 alone for {HISTORY_S} s, to collect baseline data")
        time.sleep(HISTORY_S)
        right = {}
        if arguments.part != "dependency":
            say("release r2 through the runbook")
            if subprocess.run(shop.release("r2"), check=False).returncode:
                say("r2 was not promoted")
                return 1
            say(f"all is well for {QUIET_S} s")
            time.sleep(QUIET_S)
            right["one action of one instance"] = one_instance(shop)
        if not arguments.part:
            say(f"the fault is over; all is well for {QUIET_S} s")
            time.sleep(QUIET_S)
        if arguments.part != "instance":
            right["a shared dependency"] = shared_dependency(shop, payments)
    for name, found in right.items():
        say(f"{name}: {'the page was right' if found else 'THE PAGE WAS WRONG'}")
    say(f"The demo took {time.monotonic() - began:.0f} s.")
    return 0 if all(right.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

"""One fault at a time in a release under a steady load, and its cost for the users."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from faults.stepped_clock import stepped_clock
from pratique.errors import PratiqueError
from support.docker_engine import engine_running
from support.docker_engine import registry as registry_running
from support.influxdb_bucket import disturbed_bucket
from support.measured_shop import MeasuredShop, scraping_server, telling_targets, wait_for_scrapes
from support.shop_fixture import ROOT, running_shop
from support.shop_images import ImageShop
from support.waiting import eventually

HERE = Path(__file__).parent
RATE = 80
STARTED_S = 180.0
ENDED_S = 400.0
SETTLED_S = 60.0
PAUSE_S = 6.0
"""Three times the lease of the shop."""
BACK_S = 10.0
"""How long the traffic may take to return to one revision, but for a fault that is waited for."""


@dataclass(frozen=True)
class Fault:
    """A fault, and when it strikes. Each callable gets the trial.

    spoil: text of the release's app.py, and its replacement. missing: the release is made after the first run only.
    moment: the fault strikes when this becomes true; None for a fault that exists from the start. mend: called before
    the second run. second: how the second run with the same id may end. env: of the kernel in the first run.
    hold: the key of the step at whose beginning the kernel waits until the fault has struck.
    back_s: how long the traffic may take to return to one revision.
    """

    name: str
    step: str
    strike: Callable = lambda trial: None
    moment: Callable | None = None
    prepare: Callable = lambda trial: None
    mend: Callable = lambda trial: None
    second: str | tuple = "promoted"
    spoil: tuple = ("", "")
    missing: bool = False
    env: dict = field(default_factory=dict)
    hold: str = ""
    back_s: float = BACK_S


@dataclass
class Row:
    """A measurement. back_s: from the fault until the last request that the remaining revision did not answer.

    output: of a second run that did not end as it must.
    """

    place: str
    fault: str
    step: str
    requests: int
    failed: int
    why: str
    back_s: float
    first: str
    second: str
    left: list
    good: bool
    output: str = ""


class Trial:
    """One release with one fault."""

    def __init__(self, place, fault, number):
        self.place, self.shop, self.fault = place, place.shop, fault
        self.revision = f"f{number}-" + "".join(c if c.isalnum() else "-" for c in fault.name.lower())[:30]
        self.run_id = self.revision
        self.folder = self.shop.state / "runs" / self.run_id
        self.config = self.shop.config
        self.process = None

    def journal(self):
        with contextlib.suppress(FileNotFoundError, ValueError):
            text = (self.folder / "journal.jsonl").read_text()
            return [(line["event"], line["step"]) for line in map(json.loads, text.splitlines())]
        return []

    def rolling_out(self):
        """Whether users reach the canary, and the judge has looked."""
        return self.shop.stage(self.run_id)

    def kernel(self):
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                if "ipykernel" in " ".join(child.cmdline()):
                    return child
        return None

    def pause(self, processes):
        """Stop processes for so long that the lease expires, whoever enforces it, and let them go on."""
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        time.sleep(PAUSE_S)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)

    def make(self):
        self.shop.make(self.revision, failing=0.0, spoil=self.fault.spoil)

    def canary_processes(self):
        """Return the canary's own processes, without their supervisors."""
        [process] = self.place.instance_processes(self.revision)
        return process.children()

    def go(self):
        shop, fault = self.shop, self.fault
        began = time.time()
        if not fault.missing:
            self.make()
        fault.prepare(self)
        env = {**fault.env, "PYTHONPATH": str(HERE / "inject")} if fault.env or fault.hold else {}
        env |= {"FAULT_HOLD": fault.hold, "FAULT_FILE": str(self.shop.folder / "held")} if fault.hold else {}
        self.process = shop.papermill(revision=self.revision, run_id=self.run_id, config=self.config, env=env)
        struck = self._struck()
        self.process.wait(timeout=ENDED_S)
        settled = self._settled()
        time.sleep(1.0)
        first = self._ending()
        fault.mend(self)
        if fault.missing:
            self.make()
        done, result = shop.run("release", revision=self.revision, run_id=self.run_id, config=shop.config)
        second = result["outcome"] if result else f"exit {done.returncode}: {done.stderr[-200:]}"
        time.sleep(1.0)
        serving, left = shop.serving(), [f"{i.revision} ({i.run})" for i in shop.runtime.list("shop")]
        left = left[1:] if len(serving) == 1 and left and left[0].startswith(next(iter(serving))) else left
        row = self._row((began, struck, settled), first, second, left, done.returncode)
        row.output = "" if row.good else f"{result and result['reason']} | {done.stdout[-1500:]} | {done.stderr[-500:]}"
        return row

    def _struck(self):
        """Strike, and return when the fault existed."""
        if self.fault.env:
            eventually(self.kernel, limit_s=STARTED_S)
            eventually(lambda: self.kernel() is None or self.process.poll() is not None, limit_s=STARTED_S)
        elif self.fault.hold:
            held = self.shop.folder / "held"
            eventually(lambda: held.exists() or self.process.poll() is not None, limit_s=STARTED_S)
            self.fault.strike(self)
            held.unlink(missing_ok=True)
        elif self.fault.moment is not None:
            eventually(lambda: self.fault.moment(self) or self.process.poll() is not None, limit_s=STARTED_S)
            self.fault.strike(self)
        return time.time()

    def _settled(self):
        """Return when one revision had all traffic, according to the balancer."""
        deadline = time.monotonic() + SETTLED_S
        while time.monotonic() < deadline:
            with contextlib.suppress(PratiqueError):
                if len(self.shop.serving()) == 1:
                    break
            time.sleep(0.1)
        return time.time()

    def _ending(self):
        result = self.shop.result(self.run_id)
        if result is None:
            return "no result: the run was cut off"
        return f"{result['outcome']}: {result['reason'].removeprefix('failed: ')}"

    def _row(self, times, first, second, left, status):
        began, struck, settled = times
        seen = [r for r in self.place.requests() if r["ended"] >= began]
        failed = [r for r in seen if r["status"] == 0 or r["status"] >= 500]
        # from the users' view: who answered in the second after it had settled, and when another revision last did
        final = Counter(r["revision"] for r in seen if settled <= r["began"] < settled + 1.0)
        stays = final.most_common(1)[0][0] if final else ""
        # a run that continued to a promotion moved the users on purpose: then only failures count
        astray = failed if first.startswith("promoted") else [r for r in seen if r["revision"] != stays]
        strange = [r["began"] for r in astray if struck < r["began"] < settled + 1.0]
        back_s = max(strange, default=struck) - struck
        why = ", ".join(
            f"{count} x {name}" for name, count in Counter(r.get("why", "?") for r in failed).most_common(3)
        )
        wanted = self.fault.second if isinstance(self.fault.second, tuple) else (self.fault.second,)
        good = second in wanted and not left and back_s <= self.fault.back_s and (status == 0 or second != "promoted")
        return Row(
            self.place.name, self.fault.name, self.fault.step, len(seen), len(failed), why, round(back_s, 1), first,
            second, left, good,
        )  # fmt: skip


class Place:
    """A runtime and a balancer, with users."""

    def __init__(
        self, name, shop, log, *, disk=None, engine=None, registry=None, database=None, metrics=None, clock=None
    ):
        self.name, self.shop, self._log, self.clock, self.metrics = name, shop, log, clock, metrics
        self.disk, self.engine, self.registry, self.database = disk, engine, registry, database

    def requests(self):
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.endswith("}")]

    def kill_balancer(self):
        """Kill the balancer; its supervisor restarts it."""
        if self.shop.settings.service("shop").balancer.kind == "haproxy":
            for process in self.balancer_processes():
                with contextlib.suppress(psutil.Error):
                    process.kill()
        else:
            self.revive(self.kill_part("balancer"))

    def balancer_processes(self):
        """Return the processes that pass the users' requests on."""
        if self.shop.settings.service("shop").balancer.kind == "haproxy":
            master = psutil.Process(int((self.shop.state / "haproxy/shop/haproxy.pid").read_text().split()[0]))
            return [master, *master.children(recursive=True)]
        return [self.shop.part("balancer")]

    def instance_processes(self, revision=""):
        """Return the first process of each instance, or of those of a revision."""
        found = [i.id for i in self.shop.runtime.list("shop") if revision in ("", i.revision)]
        if self.engine is None:
            return [psutil.Process(int(name.partition(":")[0])) for name in found]
        client = self.engine.client()
        try:
            return [psutil.Process(client.containers.get(name).attrs["State"]["Pid"]) for name in found]
        finally:
            client.close()

    def engine_processes(self):
        """Return the engine and everything below it."""
        if self.engine is None:
            return []
        daemon = psutil.Process(self.engine.process.pid)
        return [daemon, *daemon.children(recursive=True)]

    def kill_part(self, name):
        """Kill a part; return what `revive` needs to start it again."""
        process = self.shop.part(name)
        found = process.cmdline(), process.environ()
        process.kill()
        return found

    def revive(self, found):
        """Start a part again as it was started."""
        command, env = found
        subprocess.Popen(
            command, env=env, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextlib.contextmanager
def place(name):
    """A shop with users, "process+embedded" and so on. As root its store is on a small disk that can be filled.

    "process+embedded+influxdb" has its store in InfluxDB, "process+embedded+prometheus" reads a Prometheus, and "process+embedded+clock" a clock that can be set.
    """
    runtime, balancer, *more = name.split("+")
    # a socket's path must be short, and pytest's folders are not
    folder = Path(tempfile.mkdtemp(prefix="flt-"))
    disk, log = folder / "disk", folder / "users.jsonl"
    disk.mkdir()
    log.touch()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        mounted = not more and os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk) == 0
        if mounted:
            stack.callback(_run, "umount", "-l", disk)
        engine = registry = None
        settings = {"more": '\n[store]\nurl = "disk/store"\n', "balancer": balancer}
        database = stack.enter_context(disturbed_bucket(folder)) if "influxdb" in more else None
        if database is not None:
            settings["more"] = database.settings
        metrics, targets = None, folder / "targets.json"
        if "prometheus" in more:
            elsewhere = stack.enter_context(tempfile.TemporaryDirectory(prefix="pratique-metrics-"))
            metrics, settings["more"] = stack.enter_context(scraping_server(Path(elsewhere), targets))
            settings["make_shop"] = MeasuredShop
        if runtime == "docker":
            engine, registry = stack.enter_context(engine_running()), stack.enter_context(registry_running())
            settings["make_shop"] = partial(ImageShop, engine=engine, registry=registry)
        clock = stack.enter_context(stepped_clock(folder)) if "clock" in more else None
        shop = stack.enter_context(running_shop(folder, rate=0, failing=0.0, **settings))
        stack.enter_context(_users(shop, log))
        if metrics is not None:
            stack.enter_context(telling_targets(shop, targets))
            wait_for_scrapes(metrics)
        parts = {"engine": engine, "registry": registry, "database": database, "metrics": metrics, "clock": clock}
        yield Place(name, shop, log, disk=disk if mounted else None, **parts)


@contextlib.contextmanager
def _users(shop, log):
    url = f"http://{shop.settings.service('shop').balancer.listen}"
    # their clock stays the true one
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    process = subprocess.Popen([sys.executable, HERE / "userload.py", url, str(RATE), log], env=env)
    try:
        eventually(lambda: log.stat().st_size > 0)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _run(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode


__all__ = ["ROOT", "Fault", "Place", "Row", "Trial", "place"]

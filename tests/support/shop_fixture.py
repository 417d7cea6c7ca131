"""The complete shop in its own folder: collector, balancer, processes, store, and a steady load."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from pratique.balancer import open_balancer
from pratique.config import load
from pratique.ledger import open_ledger
from pratique.runbook.opening import open_release
from pratique.runtime import open_runtime
from support.ports import free_port

ROOT = Path(__file__).parents[2]
SERVICE_FILE = """
[telemetry]
listen = "127.0.0.1:{syslog}"
window_s = 1

[services.shop.runtime]
{runtime}
drain_s = 2
readiness_timeout_s = 60

[services.shop.balancer]
kind = "{balancer}"
listen = "127.0.0.1:{listen}"
control = "127.0.0.1:{control}"

[services.shop.rollout]
stages = [20, 50]
stage_min_windows = 2
lease_s = 2

[services.shop.judge]
minimum_requests = {minimum}
history_min = 10
deadline_min = 10
guards = {{ "5xx" = {{ outcome = "5xx", tolerated_ratio = 3.0, tolerated_excess = 0.05 }} }}
"""


PROCESS = 'command = ["{python}", "{dir}/app.py", "{port}"]'


class Shop:
    """A service folder with everything running, and helpers to inspect it."""

    command_limit_s = 280

    def __init__(self, folder, more="", balancer="embedded", runtime=PROCESS):
        self.folder = folder
        self.config = str(folder / "pratique.toml")
        self.patient = str(folder / "patient.toml")  # the same, but never promoted
        ports = {name: free_port() for name in ("syslog", "listen", "control")} | {
            "balancer": balancer,
            "runtime": runtime,
        }
        (folder / "pratique.toml").write_text(SERVICE_FILE.format(minimum=50, **ports) + more)
        (folder / "patient.toml").write_text(SERVICE_FILE.format(minimum=10**9, **ports) + more)
        self.settings = load(self.config)
        self.balancer = open_balancer(self.settings.target("shop"))
        self.runtime = open_runtime(self.settings.target("shop"))
        self.ledger = open_ledger(self.settings.state_dir)
        self.state = self.settings.state_dir

    def make(self, revision, failing=None, spoil=("", "")):
        """Copy r1 under another name; failing: share of errors; spoil: a text of app.py and its replacement."""
        target = self.folder / "releases" / revision
        shutil.copytree(ROOT / "examples/shop/releases/r1", target)
        spec = json.loads((target / "release.json").read_text())
        spec["name"] = revision
        for route in spec["routes"]:
            route["failing"] = failing if failing is not None else route["failing"]
        (target / "release.json").write_text(json.dumps(spec))
        app = (target / "app.py").read_text()
        (target / "app.py").write_text(app.replace(*spoil) if spoil[0] else app)
        return revision

    def pratique(self, *arguments, check=True):
        words = [sys.executable, "-P", "-m", "pratique.cli", *arguments]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=self.command_limit_s)
        assert not check or done.returncode == 0, f"{words}: {done.returncode}: {done.stderr}"
        return done

    def release(self, **parameters):
        """Run `pratique run release`; returns the finished process and result.json."""
        return self.run("release", **parameters)

    def run(self, runbook, **parameters):
        """Run `pratique run RUNBOOK`; returns the finished process and result.json."""
        pairs = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
        done = self.pratique("run", runbook, "-p", "service", "shop", *pairs, check=False)
        return done, self.result(parameters.get("run_id", "none"))

    def papermill(self, runbook="release", *, env=None, **parameters):
        """Start papermill itself; env: added to its environment."""
        pairs = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
        notebook, out = ROOT / "runbooks" / f"{runbook}.ipynb", self.folder / "out.ipynb"
        command = [sys.executable, "-m", "papermill", notebook, out, "-p", "service", "shop"]
        return subprocess.Popen(
            [*command, *pairs, "-k", "python3", "--no-progress-bar"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | (env or {}),
        )

    def open(self, revision, run_id, **given):
        """A run in this process."""
        return open_release(service="shop", revision=revision, run_id=run_id, **{"config": self.patient, **given})

    def result(self, run_id):
        file = self.state / "runs" / run_id / "result.json"
        return json.loads(file.read_text()) if file.exists() else None

    def part(self, name):
        """The process of a part that `pratique up` started; None if it is dead."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                labels = process.environ()
                mine = labels.get("PRATIQUE_PART") == name and labels.get("PRATIQUE_STATE") == str(
                    self.state.absolute()
                )
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    return process
        return None

    def serving(self):
        return {revision: share for revision, share in self.balancer.weights("shop").shares.items() if share > 0}

    def running(self):
        return sorted(instance.revision for instance in self.runtime.list("shop"))

    def baseline(self):
        [revision] = self.serving()
        return revision

    def stage(self, run_id):
        """Whether the run has begun to judge."""
        progress = self.state / "runs" / run_id / "progress.jsonl"
        return progress.exists() and '"look"' in progress.read_text()

    def trace(self):
        """Everything that a dry run must not change. The collector always writes, so its files do not count."""
        kept = [p for p in self.state.rglob("*") if p.is_file() and not {"collector", "store"} & set(p.parts)]
        files = {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept if not p.name.endswith(".log")}
        return files, sorted(instance.id for instance in self.runtime.list())


def leftovers(folder):
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join(process.cmdline()) or process.environ().get("PRATIQUE_STATE", "").startswith(
                str(folder)
            ):
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]


@contextlib.contextmanager
def running_shop(folder, *, make_shop=Shop, rate=60, seconds=7200, failing=None, **settings):
    """A shop that runs r1 under a steady load; asserts that no process is left at the end.

    settings: passed to the shop. rate: requests per second, 0 for no load. failing: r1's share of errors.
    """
    shop = make_shop(folder, **settings)
    shop.make("r1", failing=failing)
    load_process = None
    try:
        shop.pratique("up", "shop", "r1", "--config", shop.config)
        url = f"http://{shop.settings.service('shop').balancer.listen}"
        load_process = subprocess.Popen(
            [
                sys.executable,
                ROOT / "examples/shop/load.py",
                "--url",
                url,
                "--rate",
                str(rate),
                "--seconds",
                str(seconds),
            ],
            stdout=subprocess.DEVNULL,
        )
        yield shop
    finally:
        if load_process:
            load_process.terminate()
            load_process.wait()
        shop.pratique("down", "shop", "--config", shop.config, check=False)
    assert leftovers(folder) == []

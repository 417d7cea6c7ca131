"""Hosts with jobs, for tests: each has its own service file and state folder, and they share an engine.

A host's service is in its ledger as one that serves; no balancer runs, which a job does not need.
"""

import json
import os
import subprocess
import sys
from datetime import datetime

from pratique.clock import stamp, utc_now
from pratique.config import load
from pratique.jobs.current_status import current_status
from pratique.jobs.job import find_job
from pratique.jobs.trigger import trigger
from pratique.ledger import open_ledger
from pratique.outcomes import open_outcomes
from pratique.release import configuration_digest, find_release

WORK = """
import json, os, signal, sys, time

def word(name, default=""):
    return dict(part.split("=", 1) for part in sys.argv[1:]).get(name, default)

if word("trap") == "yes":
    signal.signal(signal.SIGTERM, lambda *_: (print("stopping", flush=True), sys.exit(5)))
print(json.dumps({"revision": os.environ["PRATIQUE_REVISION"], "job": os.environ["PRATIQUE_JOB"]}), flush=True)
if word("print"):
    print(word("print"), flush=True)
if word("secret"):
    path = os.environ.get(word("secret") + "_FILE")
    print("the secret is", open(path).read() if path else os.environ[word("secret")], flush=True)
if word("lines"):
    for number in range(int(word("lines"))):
        print(f"line {number} " + "x" * 200)
if word("file"):
    with open(word("file"), "a") as file:
        file.write(f"{time.time()} begins\\n")
if word("sleep"):
    time.sleep(float(word("sleep")))
if word("file"):
    with open(word("file"), "a") as file:
        file.write(f"{time.time()} ends\\n")
if word("memory"):
    kept = bytearray(int(word("memory")) << 20)
    for at in range(0, len(kept), 4096):
        kept[at] = 1
    time.sleep(5)
sys.exit(int(word("exit", "0")))
"""


class JobHost:
    """One host: a folder with a service file. settings: of the service's runtime. jobs: the tables of its jobs."""

    def __init__(self, folder, runtime, jobs):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "pratique.toml"
        tables = "\n".join(f"[jobs.{name}]\n{text}" for name, text in jobs.items())
        self.file.write_text(f"[telemetry]\nlisten = '127.0.0.1:1'\n[services.shop.runtime]\n{runtime}\n{tables}\n")

    @property
    def config(self):
        return load(self.file)

    def serves(self, revision):
        """Let a revision serve: its digests and its shares are in the ledger."""
        target = self.config.target("shop")
        ledger, release = open_ledger(target.state_dir), find_release(target, revision)
        ledger.bind("shop", revision, release.digest, configuration=configuration_digest(release))
        times = {"asked": stamp(utc_now()), "confirmed": stamp(utc_now())}
        ledger.append("weight", "shop", revision=revision, data={"shares": {revision: 1.0}, **times})
        return self

    def job(self, name):
        return find_job(self.config, name)

    def run(self, name, *words, **given):
        """Run a job in this process; return its outcome."""
        job, said = self.job(name), []
        command = (*job.settings.command, *words)
        return trigger(job, who="ann", command=command, say=said.append, **given)

    def look(self, name, now=None):
        return current_status(self.job(name), now)

    def outcomes(self, name, *wanted):
        found = open_outcomes(self.config.state_dir).read(kind="job", subject=f"job@{name}")
        return [record for record in found if not wanted or record.outcome in wanted]

    def command(self, *words):
        # before the words: after "--" all are those of the job
        return [sys.executable, "-m", "pratique", *words[:1], "--config", str(self.file), *words[1:]]

    def start(self, *words):
        """Start a command of Pratique on this host, without its output."""
        return subprocess.Popen(self.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def call(self, *words, **env):
        """Run a command of Pratique on this host; return its exit status and its output."""
        done = subprocess.run(
            self.command(*words), env=os.environ | env, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def status(self, name):
        """The state of a job as `pratique jobs --json` has it."""
        _, text = self.call("jobs", name, "--json")
        return json.loads(text)[0]


def moments(text):
    """The beginnings and ends that runs wrote, by time: (seconds, "begins" or "ends")."""
    return sorted((float(line.split()[0]), line.split()[1]) for line in text.splitlines())


def most_at_once(text):
    """How many runs there were at one moment at most."""
    at_once = most = 0
    for _, what in moments(text):
        at_once += 1 if what == "begins" else -1
        most = max(most, at_once)
    return most


def at(text):
    return datetime.fromisoformat(text)

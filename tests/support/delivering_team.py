"""A team with a year of releases: its repository, ledger, runs, results and store, all generated, as a review reads them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import pyarrow as pa

from pratique.clock import stamp
from pratique.config import parse
from pratique.errors import MissingError
from pratique.ledger.entry import Entry
from pratique.maturity.load import load_model
from pratique.maturity.sources import Sources
from pratique.store.base import Seen
from support.made_repository import NOW, History, git

DIGEST = "sha256:" + "0" * 60
WORKFLOW = """\
on:
  push:
  schedule: [{cron: "0 3 * * *"}]
jobs:
  test:
    strategy: {matrix: {python: ["3.11", "3.12"]}}
    steps:
      - uses: actions/checkout@v4
      - run: make test
      - run: |
          pytest tests/integration
          pytest tests/contract
      - run: k6 run load.js
      - run: pip-audit
      - run: ruff check
      - run: alembic upgrade head
      - run: pratique release shop r1
"""
FILES = {
    ".github/workflows/ci.yml": WORKFLOW,
    "Makefile": "test:\n\tpytest tests\n",
    "Dockerfile": "FROM docker.io/library/python:3.12@sha256:" + "a" * 64 + "\n",
    "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["openfeature-sdk"]\n',
    "uv.lock": "version = 1\n",
    ".github/CODEOWNERS": "* @shop\n",
    "CONTRIBUTING.md": "How a change reaches production\n",
    "docs/deploy.md": "Step by step\n",
    "openapi.yaml": "openapi: 3.1.0\n",
    "compose.yaml": "services: {}\n",
    "pratique.toml": "",
    "pratique-test.toml": '[services.shop.runtime]\nkind = "docker"\n',
    "deploy.sh": "#!/bin/sh\npratique release shop\n",
    "migrations/0001.sql": "create table a (b int)\n",
    "src/shop.py": "",
    "tests/test_shop.py": "",
}
SERVICE_FILE = """
[services.shop.runtime]
kind = "docker"
docker.image = "registry.example:5000/shop"
[services.cart.runtime]
kind = "docker"
docker.image = "registry.example:5000/cart"
"""
JUNIT = """<testsuites><testsuite name="unit" timestamp="2026-11-29T10:00:00"><testcase name="a"/></testsuite>
<testsuite name="tests.integration.api" timestamp="2026-11-29T10:00:00"><testcase name="b"/></testsuite>
<testsuite name="contract" timestamp="2026-11-29T10:00:00"><testcase name="c"/></testsuite></testsuites>"""
COVERAGE = '<coverage timestamp="1795946400000" lines-valid="100" lines-covered="80"/>'
WEEKS = 52


class MadeStore:
    """A store in which every revision has traffic, without errors or silence. failing: share of bad requests at each hand-over."""

    def __init__(self, seen, *, bad=0, silent=()):
        self.seen, self.bad, self.silent = seen, bad, silent

    def exists(self):
        return bool(self.seen)

    def revisions(self, service=None, start=None, end=None):
        return [one for one in self.seen if service in (None, one.service) and (start is None or one.last >= start)]

    def counts(self, service, start, end, *, by, step_s, slower_than_ms=None):
        minutes = [
            start + timedelta(seconds=step_s) * at for at in range(int((end - start) / timedelta(seconds=step_s)))
        ]
        rows = [{"step": minute, "code": 200, "n": 6000} for minute in minutes if minute not in self.silent]
        if end - start < timedelta(minutes=10):
            rows += [{"step": minute, "code": 503, "n": self.bad} for minute in minutes if self.bad]
        return pa.Table.from_pylist(rows)


@dataclass
class Team:
    """The generated team. folder: of the repository, with its state folder inside."""

    folder: object

    def __post_init__(self):
        self.entries = []
        self.digests = {}
        self.seen = []
        self._write()

    def add(self, kind, time, *, service="shop", who="ci-bot", revision=None, run=None, **data):
        number = len(self.entries) + 1
        self.entries.append(Entry(number, time, kind, service, who, "", revision, run, "0", "", "", data))
        return number

    @cached_property
    def config(self):
        return parse(SERVICE_FILE, self.folder / "pratique.toml")

    def sources(self, **changed):
        store = MadeStore(self.seen)
        given = {
            "folder": self.folder, "config": self.config, "entries": self.entries, "open_store": lambda: store, "drift": lambda: {"shop": []},
            "digest_of": self.digest_of,
        }  # fmt: skip
        return Sources(load_model(), NOW, **{**given, **changed})

    def digest_of(self, service, revision):
        if (service, revision) not in self.digests:
            raise MissingError(f"no image {service}:{revision}")
        return self.digests[service, revision]

    def _write(self):
        history, marks = History(), []
        main = history.commit(
            NOW - timedelta(weeks=WEEKS, days=2),
            {**FILES, "pratique.toml": SERVICE_FILE},
            message="SHOP-1 first",
            author="ann",
        )
        for day in range(7 * WEEKS):
            if day % 7 > 4:
                continue
            time = NOW - timedelta(weeks=WEEKS) + timedelta(days=day, hours=-3)
            who = ("ann", "bob", "cem")[day % 3]
            files = {"src/shop.py": f"day = {day}\n", "tests/test_shop.py": f"assert {day}\n"}
            if day % 7 == 2:
                files[f"migrations/{day:04}.sql"] = f"alter table a add c{day} int\n"
            if day > 7 * WEEKS - 20:
                files["CONTRIBUTING.md"] = f"How a change reaches production, day {day}\n"
            branch = history.commit(
                time, files, message=f"SHOP-{day + 2} change", author=who, branch="work", parents=[main]
            )
            main = history.commit(
                time + timedelta(hours=2), files, message=f"Merge SHOP-{day + 2}", author=who, parents=[main, branch]
            )
            marks.append((time + timedelta(hours=2), main))
        history.make(self.folder)
        ids = git(self.folder, "log", "--first-parent", "--format=%H", "main").decode().split()[::-1]
        self.commits = list(zip([time for time, _ in marks], ids[1:], strict=True))
        git(self.folder, "tag", "r0", ids[0])
        self._release_all()
        (self.folder / "build").mkdir()
        (self.folder / "build/junit.xml").write_text(JUNIT)
        (self.folder / "build/coverage.xml").write_text(COVERAGE)

    def _release_all(self):
        incidents = 0
        for week in range(WEEKS):
            for service in ("shop", "cart"):
                time, commit = self.commits[5 * week + (3 if service == "shop" else 4)]
                revision, began = f"r{week + 1}", time + timedelta(hours=1 if service == "shop" else 4)
                given = {}
                if service == "shop" and week in (36, 42, 48):
                    incidents += 1
                    given = {"incident": f"I{incidents}"}
                self.release(service, revision, began, commit, **given)
                if service == "shop" and week in (35, 41, 47):
                    self.add("incident", began + timedelta(hours=5), who="ann", event="opened", id=f"I{incidents + 1}", source="pratique", title="slow",
                             began=stamp(began + timedelta(hours=4)), cause=revision)  # fmt: skip
            if week in (12, 25, 38, 50):
                self.review(NOW - timedelta(weeks=WEEKS - week) + timedelta(hours=9), week)

    def release(self, service, revision, began, commit, *, outcome="promoted", who="ci-bot", **given):
        run = f"{service}-{revision}"
        digest = f"{DIGEST}{len(self.digests):04}"
        self.digests[service, revision] = digest
        named = {"service": service, "revision": revision, "run": run, "who": who}
        self.add("release", began, **named, event="started", baseline="r0", digest=digest, commit=commit, **given)
        self.add("bind", began, **named, digest=digest, configuration="")
        self.add(
            "verdict",
            began + timedelta(minutes=20),
            **named,
            decision="promote",
            guards=[{"guard": "p95", "state": "met"}],
        )
        self.add("weight", began + timedelta(minutes=20), **named, shares={revision: 1.0})
        folder = self.folder / ".pratique/runs" / run
        folder.mkdir(parents=True)
        report = folder / "report.html"
        report.write_text("<!doctype html><html></html>")
        accepted = {
            "passed": ["a"],
            "ids": ["1"],
            "paths": ["/"],
            "command": ["sh", "-c", "alembic upgrade head && check"],
        }
        line = {"time": stamp(began), "event": "done", "step": "acceptance test", "data": accepted}
        (folder / "journal.jsonl").write_text(json.dumps(line) + "\n")
        self.add("report", began + timedelta(minutes=25), **named, html=str(report))
        self.add("release", began + timedelta(minutes=25), **named, event="ended", outcome=outcome)
        self.seen.append(Seen(service, revision, began, min(NOW, began + timedelta(days=7)), 10_000))
        git(self.folder, "tag", "-f", f"{service}-{revision}", commit)

    def review(self, time: datetime, week):
        before, step = f"item{week - 1}", f"item{week}"
        self.steps = [*getattr(self, "steps", []), step]
        items = {name: {"state": "met"} for name in self.steps[:-1]} | {
            before: {"state": "met"},
            step: {"state": "not met"},
        }
        self.add("review", time, service="", who="ann", model="m", items=items, next_steps=[step], drift=0)

"""Every collector with a good, a bad, a stale and a hostile input; none raises, and what is old or too little is unknown."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.config import parse
from pratique.delivery.deployments import record_of
from pratique.delivery.metrics import failures_of
from pratique.errors import MissingError, UnavailableError
from pratique.ledger.entry import Entry
from pratique.ledger.incidents import incidents_of
from pratique.maturity.collectors import COLLECTORS, collect
from pratique.maturity.load import load_model
from pratique.maturity.model import Rule
from pratique.maturity.repository import Repository
from pratique.maturity.sources import Sources
from support.delivering_team import DIGEST, SERVICE_FILE, MadeStore, Team
from support.made_repository import NOW, History, git, repository

MODEL = load_model()
RULES = {
    rule.collector: rule for name in ("minimumcd", "model") for item in load_model(name).items for rule in item.evidence
}
HOSTILE = "<script>\x1b[2J\u202e" + "x" * 5000
LEDGER = sorted(name for name, known in COLLECTORS.items() if "ledger" in known.needs)


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    return Team(tmp_path_factory.mktemp("team"))


def entry(number, kind, time, *, who="ann", revision="r1", run="run1", service="shop", **data):
    return Entry(number, time, kind, service, who, "", revision, run, "0", "", "", data)


def releases(number, *, days=7, age=0, services=("shop",), who="zoe", outcome="promoted", **started):
    """Entries of releases by somebody who never commits, one every few days, the last so many days ago."""
    found = []
    for at in range(number):
        time = NOW - timedelta(days=age + days * (number - 1 - at), hours=3)
        service, run = services[at % len(services)], f"run{at}"
        for kind, more in (
            ("release", {"event": "started", "digest": "", **started}),
            ("verdict", {"guards": [{"guard": "5xx", "state": "met"}]}),
            ("weight", {"shares": {f"r{at}": 1.0}}),
            ("release", {"event": "ended", "outcome": outcome}),
        ):
            found.append(
                entry(len(found) + 1, kind, time, who=who, run=run, revision=f"r{at}", service=service, **more)
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COLLECTORS))
def test_good_evidence_meets(team, name):
    sources = team.sources()
    if name == "ledger.approvals":
        (team.folder / ".pratique/runs/shop-r52/answers.jsonl").write_text(
            json.dumps({"answer": "approve", "who": "ann"})
        )
        found = collect(sources, RULES[name].model_copy(update={"of": 1}))
        (team.folder / ".pratique/runs/shop-r52/answers.jsonl").unlink()
    elif name == "ledger.people":
        found = collect(
            replace(sources, entries=[replace(one, who=("ann", "bob")[one.number % 2]) for one in sources.entries]),
            RULES[name],
        )
    elif name == "ledger.rollbacks":
        back = releases(1, runbook="rollback", baseline="r1", outcome="reverted")
        found = collect(replace(sources, entries=back), RULES[name])
    elif name == "git.packages":
        found = collect(sources, RULES[name].model_copy(update={"at_least": 1}))
    elif name == "git.files":
        found = collect(sources, Rule(collector=name, files=("Makefile",)))
    elif name == "ci.triggers":
        found = collect(sources, Rule(collector=name, triggers=("push",)))
    elif name == "ci.steps":
        found = collect(sources, Rule(collector=name, steps="lint"))
    elif name == "incidents.people":
        found = collect(sources, RULES[name].model_copy(update={"of": 1}))
    else:
        found = collect(sources, RULES[name])
    assert (found.state, found.collector) == ("met", name), found.reason
    assert found.n
    assert len(found.reason) <= 420


BAD = {
    "git.days": "main branch had commits on 1 day",
    "git.people": "0 of 3 people",
    "git.tests": "0 of 12 code changes",
    "git.tickets": "0 of 12 commits",
    "git.branches": "within 9.0 days",
    "git.owners": "0 of 6 files",
    "git.locks": "0 of 1 manifests have exact versions: not pyproject.toml",
    "git.files": "no tracked file is named like Makefile",
    "git.flags": "no feature-flag library",
    "git.packages": "4 folders",
    "git.tags": "0 of 12 promoted releases have a tag",
    "ci.triggers": "none of 1 pipeline is started by push",
    "ci.steps": "none of 1 step in 1 pipeline is of kind lint",
    "ci.runners": "1 job",
    "images.bases": "3 Dockerfiles with 3 families",
    "images.pinned": "0 of 3 base images",
    "images.bound": "0 of 5 latest promoted releases are images",
    "files.environments": "no service file for an environment",
    "files.tracked": "is not tracked",
    "ledger.people": "1 person",
    "ledger.team": "0 of 12 releases",
    "ledger.pipeline": "0 of 12 releases",
    "ledger.commits": "0 of 12 promoted",
    "ledger.lead_time": "0 of 12 deployments",
    "ledger.independence": "0 of 12 releases",
    "ledger.verdicts": "0 of 12 releases",
    "ledger.joins": "0 of 12 deployments",
    "ledger.coverage": "0 of 1 revisions with traffic were put in place by a run: not cart by-hand",
    "ledger.rework": "0 of 3 failed",
    "ledger.reports": "0 reports",
    "ledger.report_weeks": "0 of 12 weeks",
    "ledger.reviews": "reviews on 1 day",
    "registry.kept": "0 of 5 latest promoted releases still exist; missing: ",
    "ledger.bindings": "0 of 5 latest promoted releases have the digest",
    "store.handover": "deployments had a minute without requests",
    "runs.drift": "2 differences",
}


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    """A repository in which everything that can be counted is there, and nothing is as it should be."""
    history = History()
    files = {
        "src/a.py": "0",
        "pyproject.toml": "[project]\ndependencies = ['a']",
        ".github/CODEOWNERS": "/docs @docs\n",
        "pratique.toml.txt": "",
    }
    files |= {f"{name}/Dockerfile": f"FROM {name}:1\n" for name in ("alpine", "debian", "fedora")}
    files[".github/workflows/ci.yml"] = "on: workflow_dispatch\njobs:\n  a:\n    steps: [{uses: actions/checkout@v4}]\n"
    main = history.commit(NOW - timedelta(weeks=60), files)
    for who in ("ann", "bob", "cem"):
        main = history.commit(NOW - timedelta(days=200), {"src/a.py": who}, author=who, parents=[main])
    for week in range(12):
        time = NOW - timedelta(weeks=11 - week, hours=5)
        branch = history.commit(
            time - timedelta(days=9), {f"src/a{week % 6}.py": f"{week}"}, author="dan", branch="work", parents=[main]
        )
        main = history.commit(
            time, {f"src/a{week % 6}.py": f"{week}"}, message="Merge", author="dan", parents=[main, branch]
        )
    return history.make(tmp_path_factory.mktemp("poor"))


@pytest.mark.parametrize("name", BAD)
def test_bad_evidence_does_not_meet(poor, team, name):
    entries = (
        releases(12, services=("shop", "cart"), days=7)
        if name != "ledger.independence"
        else releases(12, services=("shop", "cart"), days=0)
    )
    sources = Sources(MODEL, NOW, folder=poor, config=team.config, entries=entries)
    rule = RULES[name]
    if name == "git.files":
        rule = Rule(collector=name, files=("Makefile",))
    if name == "git.packages":
        rule = Rule(collector=name, at_least=9)
    if name == "ci.triggers":
        rule = Rule(collector=name, triggers=("push",))
    if name == "ci.steps":
        rule = Rule(collector=name, steps="lint")
    if name in ("ledger.joins", "ledger.coverage", "store.handover"):
        made = team.sources().open_store()
        seen = [replace(made.seen[-1], revision="by-hand", last=NOW)] if name == "ledger.coverage" else made.seen
        minute = (NOW - timedelta(hours=3)).replace(second=0, microsecond=0)
        silent = [
            minute - timedelta(days=7 * week) + timedelta(minutes=at) for week in range(12) for at in range(-1, 1)
        ]
        sources = replace(sources, open_store=lambda: MadeStore(seen, silent=silent))
    if name == "ledger.rework":
        down = [
            entry(
                900 + at,
                "incident",
                NOW - timedelta(days=at),
                event="opened",
                id=f"I{at}",
                source="pratique",
                title="down",
                began="2026-11-20T00:00:00Z",
                cause=f"r{at}",
                service="shop" if at % 2 == 0 else "cart",
            )
            for at in (6, 7, 8)
        ]
        sources = replace(sources, entries=[*entries, *down])
    if name == "ledger.reviews":
        sources = replace(sources, entries=[entry(1, "review", NOW - timedelta(days=1), items={})])
    if name in ("registry.kept", "ledger.bindings"):
        sources = replace(sources, digest_of=_gone if name == "registry.kept" else lambda *_: "sha256:moved")
    if name == "runs.drift":
        sources = replace(sources, drift=lambda: {"shop": ["one", "two"]})
    if name == "files.tracked":
        (poor / "pratique.toml").write_text("")
        sources = replace(sources, config=team.config.model_copy(update={"file": str(poor / "pratique.toml")}))
    if name == "images.bound":
        sources = replace(sources, config=team.config)
    found = collect(sources, rule)
    assert found.state == "not met", found.reason
    assert BAD[name] in found.reason


def _gone(service, revision):
    raise MissingError(f"no image {service}:{revision}")


STALE = sorted(
    set(LEDGER)
    - {
        "registry.kept",
        "ledger.bindings",
        "images.bound",
        "ledger.reports_kept",
        "incidents.connected",
        "incidents.people",
        "ledger.coverage",
        "runs.drift",
    }
    - {"store.handover"}
)


@pytest.mark.parametrize("name", STALE)
def test_releases_of_long_ago_are_unknown_or_not_met(team, name):
    sources = replace(team.sources(), now=NOW + timedelta(days=800))
    assert collect(sources, RULES[name]).state in ("unknown", "not met")


@pytest.mark.parametrize(
    "name",
    [
        "git.days",
        "git.people",
        "git.tests",
        "git.tickets",
        "git.branches",
        "results.junit",
        "results.coverage",
        "git.owners",
    ],
)
def test_an_old_repository_is_unknown(team, name):
    found = collect(replace(team.sources(), now=NOW + timedelta(days=800)), RULES[name])
    assert found.state == "unknown", found.reason


@pytest.mark.parametrize("name", sorted(COLLECTORS))
def test_too_few_cases_are_unknown_or_not_met(tmp_path, team, name):
    one = repository(tmp_path, {"a.txt": "a"})
    sources = Sources(
        MODEL,
        NOW,
        folder=one,
        config=team.config,
        entries=releases(1),
        open_store=lambda: MadeStore([]),
        digest_of=team.digest_of,
        drift=dict,
    )
    few = collect(sources, RULES[name])
    if name not in ("git.history", "ledger.releases", "files.balancer"):
        assert few.state in ("unknown", "not met"), few.reason


@pytest.mark.parametrize("name", sorted(COLLECTORS))
def test_hostile_entries_and_files_raise_nothing_and_meet_nothing(tmp_path, team, name):
    files = {
        path: b"\x00\xff" + HOSTILE.encode()
        for path in (
            "Dockerfile",
            "pyproject.toml",
            ".github/CODEOWNERS",
            ".github/workflows/a.yml",
            "pratique-test.toml",
            "build/junit.xml",
        )
    }
    one = repository(
        tmp_path, files | {"uv.lock link": "/etc/passwd", HOSTILE[:20].replace("\x1b", ""): "a"}, message=HOSTILE
    )
    wrong = [None, 7, HOSTILE, [HOSTILE], {"a": {"b": HOSTILE}}]
    keys = (
        "event",
        "outcome",
        "commit",
        "digest",
        "guards",
        "shares",
        "items",
        "next_steps",
        "drift",
        "incident",
        "cause",
        "began",
        "html",
        "id",
        "source",
    )
    entries = [
        entry(
            at,
            kind,
            NOW - timedelta(days=at % 80),
            who=HOSTILE,
            revision=HOSTILE,
            run=f"../../{HOSTILE}",
            service=HOSTILE[:50],
            **dict.fromkeys(keys, value),
        )
        for at, (kind, value) in enumerate(
            [
                (kind, value)
                for kind in ("release", "verdict", "weight", "bind", "report", "review", "incident")
                for value in wrong
            ],
            start=1,
        )
    ]

    def unavailable(*_):
        raise UnavailableError("nobody answers")

    sources = Sources(
        MODEL,
        NOW,
        folder=one,
        config=team.config,
        entries=entries,
        open_store=unavailable,
        digest_of=unavailable,
        drift=unavailable,
    )
    found = collect(sources, RULES[name])
    if name not in ("git.history", "files.balancer", "images.bases", "ledger.reports"):
        assert found.state != "met", found.reason
    assert "\x1b" not in found.reason
    assert not any("\x1b" in link or len(link) > 200 for link in found.where)


def test_a_registry_that_does_not_answer_is_asked_once(team):
    asked = []

    def unavailable(service, revision):
        asked.append(revision)
        raise UnavailableError("the registry does not answer")

    found = collect(team.sources(digest_of=unavailable), RULES["registry.kept"])
    assert (found.state, found.reason, len(asked)) == ("unknown", "the registry does not answer", 1)


def test_a_moved_tag_is_another_build(team):
    moved = team.sources(
        digest_of=lambda service, revision: f"{DIGEST}9999" if revision == "r50" else team.digest_of(service, revision)
    )
    found = collect(moved, RULES["ledger.bindings"])
    assert (found.state, found.value) == ("not met", pytest.approx(0.8))


def test_only_the_first_revision_of_a_service_may_come_without_a_run(team):
    seen = team.sources().open_store().seen[:2]
    traffic = [replace(seen[0], revision=revision, service="shop", last=NOW) for revision in ("r1", "r2", "r3")]
    first = {"event": "first", "digest": "sha256:0"}
    entries = [entry(1, "release", NOW - timedelta(days=3), run=None, revision="r1", **first)]
    entries += [replace(one, number=at, revision="r2") for at, one in enumerate(releases(1), start=2)]
    around = entry(9, "release", NOW - timedelta(hours=1), run=None, revision="r3", **first)
    sources = team.sources(entries=[*entries, around], open_store=lambda: MadeStore(traffic))
    found = collect(sources, RULES["ledger.coverage"])
    assert (found.state, found.value) == ("not met", pytest.approx(2 / 3))
    assert "not shop r3" in found.reason


@pytest.mark.parametrize(
    ("guards", "state"),
    [
        ({"p95": {"bad": {"r1": 0}, "requests": {"r0": 100, "r1": 10}}}, "met"),
        ({"p95": {"bad": {}, "requests": {"r0": 0, "r1": 0}}}, "not met"),
        ({"5xx": {"bad": {"r1": 0}, "requests": {"r1": 10}}}, "not met"),
        ({}, "unknown"),
    ],
)
def test_a_latency_guard_counts_where_it_judged_requests(team, guards, state):
    entries = [replace(one, data={"guards": guards}) if one.kind == "verdict" else one for one in releases(6)]
    assert collect(team.sources(entries=entries), RULES["ledger.verdicts"]).state == state


def run_of(number, revision, time, *, run, service="shop", runbook="release", shares=True, ended=True, **started):
    """Entries of one run that gives a revision all of the traffic."""
    given = {"event": "started", "runbook": runbook, "digest": "", **started}
    outcome = "reverted" if runbook == "rollback" else "promoted"
    found = [entry(number, "release", time, run=run, revision=revision, service=service, **given)]
    if shares:
        found.append(entry(number + 1, "weight", time, run=run, service=service, shares={revision: 1.0}))
    if ended:
        found.append(
            entry(
                number + 2, "release", time, run=run, revision=revision, service=service, event="ended", outcome=outcome
            )
        )
    return found


def counted(name, entries, **changed):
    rule = Rule(collector=name, at_least=1.0, of=1, days=365)
    return collect(Sources(MODEL, NOW, entries=entries, **changed), rule)


def back_and_forth(times):
    entries = run_of(1, "r1", NOW - timedelta(days=30), run="first")
    for at in range(times):
        time = NOW - timedelta(days=20 - 2 * at)
        entries += run_of(10 * at + 10, "r2", time, run=f"up{at}")
        entries += run_of(
            10 * at + 15, "r1", time + timedelta(hours=1), run=f"back{at}", runbook="rollback", baseline="r2"
        )
    return entries


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        (back_and_forth(5), 2),
        (run_of(1, "r1", NOW - timedelta(days=2), run="a", ended=False), 1),
        (run_of(1, "r1", NOW - timedelta(days=2), run="a", shares=False), 0),
        (run_of(1, "r1", NOW + timedelta(days=2), run="a"), 0),
    ],
    ids=["redeployments", "an end that is missing", "no traffic", "in the future"],
)
def test_deployments_are_those_of_the_delivery_metrics(entries, number):
    assert collect(Sources(MODEL, NOW, entries=entries), Rule(collector="ledger.deployments", days=365)).value == number
    known = record_of("shop", entries).deployments
    assert len([one for one in known if one.time <= NOW]) == number


def incident(number, time, cause, *, unique="I1", source="pratique"):
    began = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    return entry(number, "incident", time, run=None, event="opened", id=unique, source=source, began=began, cause=cause)


def failing(*later):
    """r2 fails a day after it was deployed."""
    time = NOW - timedelta(days=10)
    entries = run_of(1, "r1", time - timedelta(days=5), run="a") + run_of(5, "r2", time, run="b")
    return [*entries, incident(9, time + timedelta(days=1), "r2"), *later]


@pytest.mark.parametrize(
    ("entries", "state", "value", "n"),
    [
        (failing(), "not met", 0.0, 1),
        (failing(*run_of(20, "r3", NOW - timedelta(days=8), run="c", incident="I1")), "met", 1.0, 1),
        (failing(*run_of(20, "r1", NOW - timedelta(days=8), run="c", runbook="rollback", incident="I1"),
                 *run_of(30, "r3", NOW - timedelta(days=7), run="d", incident="I1")), "not met", 0.0, 1),
        (failing(incident(15, NOW - timedelta(days=9), "r1", source="other"),
                 *run_of(20, "r3", NOW - timedelta(days=8), run="c", incident="I1")), "met", 1.0, 2),
        ([*run_of(1, "r1", NOW - timedelta(days=5), run="a"), *run_of(5, "r2", NOW - timedelta(days=4), run="b"),
          *run_of(10, "r1", NOW - timedelta(days=3), run="c", runbook="rollback", drill=True),
          *run_of(15, "r2", NOW - timedelta(days=2), run="d", runbook="rollback", drill=True)], "unknown", 0.0, 0),
    ],
    ids=["open", "forward", "back, then forward", "one id of two sources", "a drill and the return"],
)  # fmt: skip
def test_failures_are_those_of_the_delivery_metrics(entries, state, value, n):
    found = counted("ledger.rework", entries)
    assert (found.state, found.value, found.n) == (state, value, n), found.reason
    assert n == len(failures_of(record_of("shop", entries), incidents_of(entries)))


def test_the_lead_time_of_a_release_from_another_branch_is_known(tmp_path):
    history = History()
    main = history.commit(NOW - timedelta(days=9), {"a": "1"})
    side = history.commit(NOW - timedelta(days=8), {"a": "2"}, branch="fix", parents=[main])
    history.make(tmp_path)
    commit = git(tmp_path, "rev-parse", "fix").decode().strip()
    assert side
    entries = run_of(1, "r1", NOW - timedelta(days=7), run="a", commit=commit)
    entries += run_of(5, "r2", NOW - timedelta(days=6), run="b", commit="0" * 40)
    found = counted("ledger.lead_time", entries, folder=tmp_path)
    assert (found.value, found.n) == (0.5, 2), found.reason


def test_releases_within_an_hour_of_any_other_service_are_not_alone():
    times = {"a": ("10:00", "10:10"), "b": ("10:20",), "c": ("08:00",)}
    entries = []
    for service, clocks in times.items():
        for clock in clocks:
            time = NOW.replace(hour=int(clock[:2]), minute=int(clock[3:])) - timedelta(days=3)
            entries += run_of(len(entries) + 1, f"r{clock}", time, run=f"{service}{clock}", service=service)
    found = counted("ledger.independence", entries)
    assert (found.value, found.n) == (0.25, 4)
    alone = [one for one in entries if one.service != "c"]
    assert counted("ledger.independence", alone).value == 0


def test_reports_of_the_future_give_no_weeks():
    entries = releases(12)
    entries += [
        entry(900 + week, "report", NOW - timedelta(weeks=week, hours=1), run=f"run{week}", html="a")
        for week in range(-3, 20)
    ]
    found = collect(Sources(MODEL, NOW, entries=entries), RULES["ledger.report_weeks"])
    assert (found.value, found.n) == (1.0, 12)


def test_only_reports_of_promoted_releases_that_open_are_kept(tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<!doctype html><html></html>")
    entries = releases(6)
    kept = [entry(900 + at, "report", NOW, run=f"run{at}", revision=f"r{at}", html=str(page)) for at in range(6)]
    assert collect(Sources(MODEL, NOW, entries=[*entries, *kept]), RULES["ledger.reports_kept"]).state == "met"
    some = collect(Sources(MODEL, NOW, entries=[*entries, *kept[:4]]), RULES["ledger.reports_kept"])
    assert (some.state, some.value) == ("not met", pytest.approx(0.6))


@pytest.mark.parametrize("name", ["files.tracked", "git.tags", "ledger.lead_time", "runs.migrations"])
def test_git_is_not_asked_for_each_release(runs, name, monkeypatch, team):
    asked, ask = [], Repository._git
    monkeypatch.setattr(Repository, "_git", lambda *words, **more: asked.append(words) or ask(*words, **more))
    commits = [commit for _, commit in team.commits[-20:]]
    entries = [
        replace(one, data=one.data | {"commit": commits[int(one.run[3:])]}) if one.kind == "release" else one
        for one in runs.entries
    ]
    config = team.config if name == "files.tracked" else runs.config
    assert collect(replace(runs, entries=entries, config=config), RULES[name]).n
    assert len(asked) < 10


@pytest.fixture
def runs(tmp_path, team):
    """Twenty releases by the pipeline, ten of which a person approved, with their folders."""
    entries = releases(20, days=4, who="ci-bot", commit=team.commits[-1][1])
    data = {"command": ["check"], "paths": []}
    for at in range(20):
        folder = tmp_path / ".pratique/runs" / f"run{at}"
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").write_text(
            json.dumps({"event": "done", "step": "acceptance test", "data": data}) + "\n"
        )
        if at < 10:
            (folder / "answers.jsonl").write_text(json.dumps({"answer": "approve", "who": "ann"}) + "\n")
    config = parse(SERVICE_FILE, tmp_path / "pratique.toml")
    return Sources(MODEL, NOW, folder=team.folder, config=config, entries=entries)


@pytest.mark.parametrize("name", ["ledger.zero_touch", "runs.full_acceptance"])
@pytest.mark.parametrize("lost", ["folder", "journal", "damaged"])
def test_losing_the_folders_of_approved_releases_raises_nothing(runs, name, lost):
    before = collect(runs, RULES[name])
    assert (before.state, before.value) == ("not met", 0.5), before.reason
    for at in range(10):
        folder = runs.config.state_dir / "runs" / f"run{at}"
        if lost == "folder":
            shutil.rmtree(folder)
        elif lost == "journal":
            (folder / "journal.jsonl").unlink()
        else:
            (folder / "journal.jsonl").write_text("{")
    found = collect(replace(runs), RULES[name])
    assert found.state == "unknown"
    assert "of 10 it is not known" in found.reason


def test_a_lost_folder_that_decides_nothing_does_not_matter(runs):
    for at in range(10):
        (runs.config.state_dir / "runs" / f"run{at}" / "answers.jsonl").unlink()
    shutil.rmtree(runs.config.state_dir / "runs" / "run3")
    found = collect(runs, RULES["ledger.zero_touch"])
    assert (found.state, found.value, found.n) == ("met", pytest.approx(0.95), 20), found.reason


@pytest.mark.parametrize(
    ("looks", "earlier", "state"),
    [
        ({"a": [], "b": []}, None, "met"),
        ({"a": [], "b": None}, None, "unknown"),
        ({"a": ["one"], "b": None}, None, "not met"),
        ({}, None, "unknown"),
        ({"a": None}, 0, "unknown"),
        ({"a": None}, 2, "not met"),
        ({"a": []}, 2, "not met"),
        ({"a": []}, True, "met"),
    ],
)
def test_drift_is_unknown_where_a_service_could_not_be_looked_at(looks, earlier, state):
    entries = releases(3)
    if earlier is not None:
        entries.append(entry(900, "review", NOW - timedelta(days=9), service="", items={}, drift=earlier))
    found = collect(Sources(MODEL, NOW, entries=entries, drift=lambda: looks), RULES["runs.drift"])
    assert found.state == state, found.reason

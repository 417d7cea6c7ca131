"""Every collector with a good, a bad, a stale and a hostile input; none raises, and what is old or too little is unknown."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.errors import MissingError, UnavailableError
from pratique.ledger.entry import Entry
from pratique.maturity.collectors import COLLECTORS, collect
from pratique.maturity.load import load_model
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from support.delivering_team import DIGEST, MadeStore, Team
from support.made_repository import NOW, History, repository

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

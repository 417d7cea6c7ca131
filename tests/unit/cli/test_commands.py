"""The output of commands as text and as JSON, and the arguments that they pass to the packages."""

import importlib
import json

import pytest

from pratique.balancer.base import Pool
from pratique.cli import main
from pratique.clock import utc_now
from pratique.errors import UnavailableError
from pratique.ledger import open_ledger
from pratique.runtime import Instance
from pratique.store.base import Seen
from pratique.telemetry.containerlogs import ContainerLogs
from pratique.telemetry.syslog import parse as parse_syslog

SERVICE_FILE = """
[services.shop.runtime]
command = ["{python}", "{dir}/app.py", "{port}"]

[services.boxes.runtime]
kind = "docker"
docker.image = "registry.example/boxes"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pratique.toml").write_text(SERVICE_FILE)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Run a command; return exit status, standard output and standard error."""

    def done(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, *capsys.readouterr()

    return done


@pytest.fixture
def launched(monkeypatch):
    """The runbooks that were launched: name, parameters and file; none is really run."""
    found = []

    def launch(name, parameters, *, out=None, echo=print):
        found.append((name, parameters, out))
        echo("promoted: every guard is met")
        return 0

    monkeypatch.setattr("pratique.runbook.launcher.launch", launch)
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["release", "shop", "r2"], ("release", {"service": "shop", "revision": "r2"}, None)),
        (
            ["release", "shop", "r2", "--dry-run", "--run-id", "x", "--why", "fix", "--who", "ann", "--config", "a.toml"],
            (
                "release",
                {
                    "service": "shop",
                    "revision": "r2",
                    "dry_run": True,
                    "run_id": "x",
                    "why": "fix",
                    "who": "ann",
                    "config": "a.toml",
                },
                None,
            ),
        ),
        (
            [
                *["release", "shop", "r2", "--stages", "5,50", "--approval", "ask", "--approvals", "5"],
                *["--baseline", "fresh", "--deadline-min", "30", "--store", "s"],
            ],
            (
                "release",
                {
                    "service": "shop",
                    "revision": "r2",
                    "stages": "5,50",
                    "approval": "ask",
                    "approvals": "5",
                    "baseline": "fresh",
                    "deadline_min": 30.0,
                    "store": "s",
                },
                None,
            ),
        ),
        (["rollback", "shop"], ("rollback", {"service": "shop"}, None)),
        (["rollback", "shop", "r1", "--dry-run"], ("rollback", {"service": "shop", "revision": "r1", "dry_run": True}, None)),
        (["run", "release", "-p", "service", "shop", "-p", "dry_run", "false"], ("release", {"service": "shop", "dry_run": "false"}, None)),
        (["run", "x.ipynb", "-p", "config", "b.toml", "--config", "a.toml"], ("x.ipynb", {"config": "b.toml"}, None)),
    ],
)  # fmt: skip
def test_a_runbook_gets_the_parameters_that_were_given_and_no_others(run, launched, arguments, expected):
    assert run(*arguments) == (0, "promoted: every guard is met\n", "")
    assert launched == [expected]


def test_the_executed_notebook_goes_where_out_says(run, launched, folder):
    run("release", "shop", "r2", "--out", str(folder / "kept.ipynb"))
    assert launched[0][2] == folder / "kept.ipynb"


def test_run_list_names_the_runbooks_and_notebooks(run):
    status, out, _ = run("run", "--list")
    rows = [
        ["canary_report", "notebook"],
        ["incident", "notebook"],
        ["maturity_review", "notebook"],
        ["release_diff", "notebook"],
        ["release_history", "notebook"],
        ["doctor", "runbook"],
        ["release", "runbook"],
        ["rollback", "runbook"],
        ["scheduled_job", "runbook"],
    ]
    assert (status, [line.split() for line in out.splitlines()]) == (0, rows)
    listed = json.loads(run("run", "--list", "--json")[1])
    assert [[row["name"], row["kind"]] for row in listed] == rows
    assert all(row["path"].endswith(f"/{row['name']}.ipynb") for row in listed)


def test_run_list_with_a_name_lists_its_parameters(run):
    status, out, _ = run("run", "release", "--list")
    assert status == 0
    assert out.startswith("service: str = ''")
    first, *_ = json.loads(run("run", "release", "--list", "--json")[1])
    assert first.keys() == {"name", "type", "default", "help"}
    assert (first["name"], first["type"], first["default"]) == ("service", "str", "")


def test_releases_are_those_of_the_ledger(run, folder):
    status, out, err = run("releases", "shop")
    assert (status, out) == (66, "")
    assert "start one with: pratique release shop REVISION" in err
    assert run("releases", "shop", "--json") == (0, "[]\n", "")
    open_ledger(folder / ".pratique").append("release", "shop", revision="r1", data={"event": "first", "digest": "d"})
    assert "r1" in run("releases", "shop")[1]
    assert [row["outcome"] for row in json.loads(run("releases", "shop", "--json")[1])] == ["first"]


def test_revisions_are_those_of_the_store(run, monkeypatch):
    seen = []

    class Store:
        def revisions(self, service):
            return [row for row in seen if service in (None, row.service)]

    monkeypatch.setattr("pratique.store.open_store", lambda settings: Store())
    assert run("revisions", "--json") == (0, "[]\n", "")
    status, _, err = run("revisions", "shop")
    assert status == 66
    assert "has no requests of 'shop': import a log first" in err
    seen.append(Seen("shop", "r1", utc_now(), utc_now(), 1234))
    assert "1,234 requests" in run("revisions")[1]
    (row,) = json.loads(run("revisions", "shop", "--json")[1])
    assert (row["service"], row["revision"], row["requests"]) == ("shop", "r1", 1234)
    assert row["first"].endswith("Z")
    seen[:] = [Seen(name, f"r{number}", utc_now(), utc_now(), 1) for number, name in enumerate(["shop", "till"] * 2)]
    assert [line.split()[:2] for line in run("revisions")[1].splitlines()] == [
        ["shop", "r0"], ["shop", "r2"], ["till", "r1"], ["till", "r3"]
    ]  # fmt: skip


def test_images_lists_and_push_pushes(run, monkeypatch):
    monkeypatch.setattr("pratique.release.image.list_releases", lambda settings: ["r1", "r2"])
    monkeypatch.setattr("pratique.release.image.push_release", lambda revision, settings: f"sha256:{revision}")
    assert run("images", "boxes") == (0, "r1\nr2\n", "")
    assert json.loads(run("images", "boxes", "--json")[1]) == [{"revision": "r1"}, {"revision": "r2"}]
    assert run("push", "boxes", "r2") == (0, "registry.example/boxes@sha256:r2\n", "")


@pytest.mark.parametrize("arguments", [["images", "shop"], ["push", "shop", "r1"]])
def test_a_service_of_processes_has_no_images(run, arguments):
    status, _, err = run(*arguments)
    assert status == 64
    assert "services.shop.runtime.kind is process, which has no images" in err


def keep_logs(folder, count):
    logs = ContainerLogs(folder / ".pratique", limit_bytes=1 << 20, services=["boxes"])
    for number in range(count):
        revision = f"r{1 + number % 2}"
        time, instance = f"2026-11-20T12:00:{number:02d}Z", f"{number % 2:012x}"
        line = f"<30>1 {time} host pratique/boxes/{revision}/{instance} 1 - - line {number}"
        assert logs.take(parse_syslog(line.encode()))
    logs.close()


def test_the_last_container_logs_are_printed(run, folder):
    keep_logs(folder, 30)
    status, out, _ = run("logs", "boxes", "--lines", "3")
    assert status == 0
    assert [line.split(maxsplit=3)[1:] for line in out.splitlines()] == [
        ["r2", "000000000001", "line 27"],
        ["r1", "000000000000", "line 28"],
        ["r2", "000000000001", "line 29"],
    ]
    assert {line.split()[1] for line in run("logs", "boxes", "--revision", "r1")[1].splitlines()} == {"r1"}
    *_, last = json.loads(run("logs", "boxes", "--json")[1])
    assert (last["revision"], last["instance"], last["text"]) == ("r2", "000000000001", "line 29")
    assert last["time"].endswith("Z")


def test_no_container_logs_is_an_error_that_says_how_to_keep_them(run):
    status, out, err = run("logs", "boxes", "--revision", "r1")
    assert (status, out) == (66, "")
    assert "no container logs of 'boxes', revision 'r1'" in err
    assert 'services.boxes.runtime.docker.log_driver is "syslog"' in err
    assert run("logs", "boxes", "--json") == (0, "[]\n", "")


def test_logs_of_a_service_without_containers_are_said_to_be_elsewhere(run, folder):
    (folder / "pratique.toml").write_text(
        """[services.shop.runtime]\ncommand = ["a"]\n[services.boxes.runtime]\nkind = "docker"\ndocker = {image = "i"}\n"""
    )
    status, _, err = run("logs", "shop")
    assert status == 66
    assert f"output is in {folder / '.pratique' / 'processes' / 'shop-*.log'}" in err
    status, _, err = run("logs", "shpo")
    assert (status, "no service 'shpo'" in err) == (64, True), err


class Parts:
    """An engine and a balancer at once: r1 serves, `lost` belongs to nobody."""

    hosts = ("",)

    def __init__(self):
        self.instances = [
            Instance(str(number), "shop", revision, "dead", "canary", f"h:{number}", utc_now())
            for number, revision in enumerate(["r1", "lost"])
        ]

    def list(self, service):
        return self.instances

    def pool(self, service):
        return Pool(service, {"r1": ("h:0",)}, {"r1": 1.0})

    def __getattr__(self, name):  # the name of the method that lists exited instances is the runtime's
        if name in ("ended", "exited"):
            return lambda service: []
        raise AttributeError(name)

    def stop(self, instance, *, drain_s):
        self.instances.remove(instance)


@pytest.fixture
def parts(monkeypatch):
    made = Parts()
    # modules that are imported for the first time while the names are replaced would keep the replacements
    importlib.import_module("pratique.status")
    importlib.import_module("pratique.runbook.service.orphans")
    monkeypatch.setattr("pratique.balancer.open_balancer", lambda target: made)
    monkeypatch.setattr("pratique.runtime.open_runtime", lambda target: made)
    return made


def test_orphans_are_listed_and_removed_on_request(run, parts):
    status, out, _ = run("orphans", "shop")
    first, hint = out.splitlines()
    assert status == 0
    assert first.startswith("lost at h:1, canary of run dead, since ")
    assert hint == "remove them with: pratique orphans shop --remove"
    assert [row["revision"] for row in json.loads(run("orphans", "shop", "--json")[1])] == ["lost"]
    assert [i.revision for i in parts.instances] == ["r1", "lost"]
    assert run("orphans", "shop", "--remove")[1].startswith("removed lost at h:1")
    assert run("orphans", "shop") == (0, "no orphans of shop\n", "")
    assert run("orphans", "shop", "--json") == (0, "[]\n", "")


def test_status_prints_what_it_knows_before_the_error(run, monkeypatch):
    def away(target):
        raise UnavailableError("the engine does not answer")

    monkeypatch.setattr("pratique.status.open_runtime", away)
    status, out, err = run("status", "shop")
    assert (status, err) == (69, "pratique: the engine does not answer\n")
    assert [line.split()[0] for line in out.splitlines()] == ["balancer", "collector"]
    status, out, _ = run("status", "shop", "--json")
    assert status == 69
    assert json.loads(out)["error"] == "the engine does not answer"

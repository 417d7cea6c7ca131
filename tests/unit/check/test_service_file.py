"""`pratique check` checks everything that a service file refers to, and prints one line for each."""

import json
import os
import socket
import stat
import sys

import pytest

from pratique.check import Check, checks_of, service_file
from pratique.cli import main
from pratique.clock import utc_now
from pratique.config import load
from pratique.config.first_file import FirstFile, write_first_file
from pratique.errors import MissingError
from pratique.telemetry.collector_status import CollectorStatus


class Place:
    """A folder with a service file and one release."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "pratique.toml"
        self.ports = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "collector")}
        write_first_file(self.file, FirstFile("shop", command=("{python}", "{dir}/app.py", "{port}"), **self.ports))
        (folder / "releases" / "r1").mkdir()
        (folder / "releases" / "r1" / "app.py").write_text("")

    def add(self, text):
        """Add keys of other tables to the file."""
        self.file.write_text(self.file.read_text() + text)

    def set(self, old, new):
        """Change a line of the file."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def find(self, subject=None, service=None):
        """Every finding, or those about one subject."""
        found = [check.run() for check in checks_of(load(self.file), service)]
        return [each for each in found if subject is None or each.subject == subject]

    def problems(self):
        return {found.subject: found.message for found in self.find() if found.state == "problem"}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["check", *arguments])
        return ended.value.code, *capsys.readouterr()

    return call


def test_a_first_file_is_well(place, run):
    before = sorted(place.folder.rglob("*"))
    status, printed, error = run("--config", str(place.file))
    assert (status, error) == (0, "")
    assert [line.split()[:2] for line in printed.splitlines()] == [
        ["ok", "pratique.toml"],
        ["ok", "state"],
        *[["ok", "store.url"]] * 4,
        ["ok", "telemetry.listen"],
        ["ok", "services.shop.runtime.releases"],
        ["ok", "services.shop.runtime.command"],
        ["ok", "services.shop.balancer.listen"],
        ["ok", "services.shop.balancer.control"],
        ["skipped", "services.shop.judge.deadline_min"],
    ]
    assert sorted(place.folder.rglob("*")) == before


def test_json_has_the_same_findings(place, run):
    status, printed, _ = run("--json", "--config", str(place.file))
    found = json.loads(printed)
    assert status == 0
    assert found == [finding.to_json() for finding in place.find()]
    assert set(found[0]) == {"subject", "state", "message"}


def test_a_problem_gives_exit_status_1(place, run):
    place.set("{dir}/app.py", "{dir}/other.py")
    status, printed, _ = run("--config", str(place.file))
    assert status == 1
    (line,) = [line for line in printed.splitlines() if line.startswith("problem")]
    assert line == (
        "problem  services.shop.runtime.command     release 'r1' has no 'other.py': correct the command or the release"
    )
    assert run("--json", "--config", str(place.file))[0] == 1


def test_an_invalid_file_gives_exit_status_78(place, run):
    place.set("[telemetry]", "[telemetry]\nlisten_udp = 3")
    status, printed, error = run("--config", str(place.file))
    assert (status, printed) == (78, "")
    assert "telemetry.listen_udp: unknown key" in error


def test_without_a_file_there_is_nothing_to_check(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    assert run() == (66, "", "pratique: there is no pratique.toml in this folder: write one with: pratique init\n")


def test_only_one_service_is_checked_when_it_is_named(place):
    place.add('[services.other.runtime]\ncommand = ["no-such-program"]\n')
    assert "services.other.runtime.command" in {found.subject for found in place.find()}
    assert "services.other.runtime.command" not in {found.subject for found in place.find(service="shop")}
    with pytest.raises(MissingError, match="has no service 'blog'; it has: shop, other"):
        place.find(service="blog")


def test_a_file_without_a_service_is_a_problem(place):
    place.file.write_text("[telemetry]\nwindow_s = 10\n")
    assert place.problems()["pratique.toml"].startswith("it defines no service")


def test_two_services_at_one_address_are_a_problem(place):
    place.add(f'[services.other.balancer]\nlisten = "{place.ports["listen"]}"\ncontrol = "127.0.0.1:1"\n')
    assert "services.shop.balancer.listen" in place.problems()["pratique.toml"]
    assert "services.other.balancer.listen" in place.problems()["pratique.toml"]


def test_a_check_that_breaks_is_a_problem():
    found = Check("x", lambda: str(1 / 0)).run()
    assert (found.state, found.message) == ("problem", "the check failed with ZeroDivisionError: division by zero")


def test_a_secret_is_resolved_and_never_shown(place, monkeypatch, run):
    (place.folder / "token").write_text("hidden-in-file\n")
    (place.folder / "empty").write_text("\n")
    monkeypatch.setenv("SHOP_KEY", "hidden-in-environment")
    place.set(
        "[services.shop.balancer]",
        '[services.shop.runtime.env]\nPLAIN = "1"\nKEY = "env:SHOP_KEY"\nGONE = "env:NOT_SET"\n'
        'FILE = "file:token"\nNO_FILE = "file:nowhere"\nEMPTY = "file:empty"\n[services.shop.balancer]',
    )
    prefix = "services.shop.runtime.env."
    found = {each.subject.removeprefix(prefix): each for each in place.find() if each.subject.startswith(prefix)}
    assert {name: each.state for name, each in found.items()} == {
        "KEY": "ok",
        "GONE": "problem",
        "FILE": "ok",
        "NO_FILE": "problem",
        "EMPTY": "problem",
    }
    assert "NOT_SET is not set in the environment" in found["GONE"].message
    _, printed, error = run("--config", str(place.file))
    assert "hidden" not in printed + error


def test_a_missing_releases_folder_is_a_problem(place):
    place.set('releases = "releases"', 'releases = "built"')
    assert "built' does not exist: create it" in place.problems()["services.shop.runtime.releases"]


def test_releases_are_counted_and_the_last_are_named(place):
    for number in range(2, 9):
        (place.folder / "releases" / f"r{number}").mkdir()
    (found,) = place.find("services.shop.runtime.releases")
    assert found.message.endswith("has 8 revisions: …, r4, r5, r6, r7, r8")


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ('["no-such-program"]', "problem", "'no-such-program' is not installed"),
        ("[]", "problem", "it is empty"),
        ('["./app.py"]', "problem", "not executable"),
        ('["{dir}/app.py"]', "problem", "not executable"),
        ('["sh", "{dir}/app.py"]', "ok", "sh found at"),
        ('["{python}"]', "ok", f"found at {sys.executable}"),
    ],
)
def test_the_command_is_found_as_it_will_be(place, command, state, message):
    place.set('["{python}", "{dir}/app.py", "{port}"]', command)
    (found,) = place.find("services.shop.runtime.command")
    assert found.state == state
    assert message in found.message


def test_a_program_of_the_release_is_found_in_it(place):
    app = place.folder / "releases" / "r1" / "app.py"
    app.chmod(app.stat().st_mode | stat.S_IXUSR)
    place.set('["{python}", "{dir}/app.py", "{port}"]', '["{dir}/app.py"]')
    (found,) = place.find("services.shop.runtime.command")
    assert (found.state, found.message) == ("ok", f"app.py found at {app}")


def test_the_acceptance_command_is_found_beside_the_file(place):
    subject = "services.shop.rollout.acceptance_command"
    place.add('[services.shop.rollout]\nacceptance_command = ["./smoke", "{address}"]\n')
    assert place.problems()[subject].startswith("'./smoke' is not installed")
    (place.folder / "smoke").write_text("#!/bin/sh\n")
    (place.folder / "smoke").chmod(0o755)
    assert place.find(subject)[0].state == "ok"


@pytest.mark.slow
def test_an_address_in_use_is_a_problem(place):
    host, _, port = place.ports["listen"].partition(":")
    with socket.create_server((host, int(port))):
        problem = place.problems()["services.shop.balancer.listen"]
    assert f"(process {os.getpid()})" in problem


def test_the_collectors_own_address_is_well(place):
    host, _, port = place.ports["collector"].partition(":")
    place.set("[telemetry]", f'[telemetry]\nlisten_tcp = "{place.ports["collector"]}"')
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.create_server((host, int(port))):
        udp.bind((host, int(port)))
        assert set(place.problems()) == {"telemetry.listen", "telemetry.listen_tcp"}
        status = CollectorStatus(utc_now(), listen=place.ports["collector"])
        (load(place.file).state_dir / "collector").mkdir(parents=True, exist_ok=True)
        status.write(load(place.file).state_dir)
        (found,) = place.find("telemetry.listen")
        assert found.message == f"{place.ports['collector']} is in use by the collector of this state folder"
        status.ended = True
        status.write(load(place.file).state_dir)
        assert set(place.problems()) == {"telemetry.listen", "telemetry.listen_tcp"}


def test_a_unix_socket_is_checked_without_making_it(place):
    path = place.folder / "run" / "log.sock"
    place.set("[telemetry]", f'[telemetry]\nlisten_unix = "{path}"')
    assert place.find("telemetry.listen_unix")[0].message == f"{path.parent} will be created"
    path.parent.mkdir()
    path.write_text("a file")
    assert "exists and is not a socket" in place.problems()["telemetry.listen_unix"]
    place.set(str(path), f"/tmp/{'x' * 120}")
    assert "longer than 107 bytes" in place.problems()["telemetry.listen_unix"]


@pytest.mark.parametrize(("host", "state"), [("127.0.0.1", "ok"), ("localhost", "ok"), ("nowhere.invalid", "problem")])
def test_the_advertised_address_is_resolved(place, host, state):
    place.set("[telemetry]", f'[telemetry]\nadvertise_address = "{host}:5514"')
    assert place.find("telemetry.advertise_address")[0].state == state


def test_the_state_folder_and_the_store_are_checked(place):
    (place.folder / ".pratique").write_text("a file")
    assert set(place.problems()) == {"state", "store.url"}


@pytest.mark.parametrize("url", ["prometheus://127.0.0.1:9", "store"])
def test_a_running_balancer_with_other_settings_is_a_problem_whatever_the_store(place, monkeypatch, url):
    text = place.file.read_text()
    place.file.write_text(text if "[store]" in text else text + f'\n[store]\nurl = "{url}"\n')
    found = service_file.running_balancer_checks
    monkeypatch.setattr("pratique.check.collector.balancer_drift", lambda *_: ["the balancer runs with x"])
    assert [check.run().message for check in found(load(place.file))] == ["the balancer runs with x"]
    subjects = [check.subject for check in service_file._general_checks(load(place.file))]
    assert [subject for subject in subjects if subject.endswith(".balancer")]

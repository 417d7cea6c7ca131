"""`pratique config`, `init` and `check` on the command line."""

import os
import pty
import subprocess
import sys
import tomllib

import pytest

from pratique.cli import main
from pratique.config.reference import reference_text


@pytest.fixture
def run(capsys):
    """Run the command line; give back its exit status and what it printed."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, *capsys.readouterr()

    return call


def test_the_reference_is_printed_as_it_is(run):
    assert run("config", "--reference") == (0, reference_text(), "")


def test_one_section_of_the_reference_is_printed(run):
    assert run("config", "--reference", "docker") == (0, reference_text("docker"), "")


def test_an_unknown_section_is_wrong_use(run):
    status, printed, error = run("config", "--reference", "dokcer")
    assert (status, printed) == (64, "")
    assert error.startswith("pratique: no section 'dokcer': choose one of general, ")


def test_init_writes_a_file_from_options(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, _ = run("init", "shop", "--command", "run '{dir}/my app' {port}", "--listen", "0.0.0.0:80")
    assert status == 0
    assert printed.splitlines() == [
        "wrote pratique.toml",
        "next: pratique check",
        "how long a release takes: pratique plan shop --requests-per-minute NUMBER",
    ]
    shop = tomllib.loads((tmp_path / "pratique.toml").read_text())["services"]["shop"]
    assert shop["runtime"]["command"] == ["run", "{dir}/my app", "{port}"]
    assert shop["balancer"]["listen"] == "0.0.0.0:80"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the name of the service is missing"),
        (("shop",), "--command"),
        (("shop", "--runtime", "docker"), "--image"),
        (("shop", "--command", "'"), "cannot be split into words"),
        (("shop", "--runtime", "vm"), "'vm' is not one of"),
    ],
)
def test_init_without_a_terminal_needs_every_value_without_a_default(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, error = run("init", *arguments)
    assert status == 64
    assert message in error
    assert not list(tmp_path.iterdir())


def test_init_does_not_replace_a_file_without_force(run, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text("mine")
    status, _, error = run("init", "shop", "--command", "run", "--config", str(file))
    assert (status, file.read_text()) == (64, "mine")
    assert "already exists: choose another --config, or replace it with --force" in error
    assert run("init", "shop", "--command", "run", "--config", str(file), "--force")[0] == 0


@pytest.mark.slow
def test_init_asks_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pratique.cli", "init", "--runtime", "docker"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    os.write(ours, b"shop\nregistry:5000/shop\n9000\n\nhaproxy\n\n\n")
    assert process.wait(60) == 0
    os.close(ours)
    data = tomllib.loads((tmp_path / "pratique.toml").read_text())
    assert data["telemetry"] == {"listen": "127.0.0.1:5514"}
    assert data["services"]["shop"] == {
        "runtime": {
            "kind": "docker",
            "readiness_path": "/healthz",
            "docker": {"image": "registry:5000/shop", "port": 9000},
        },
        "balancer": {"kind": "haproxy", "listen": "127.0.0.1:8080"},
    }

"""The project's own files agree with one another."""

import contextlib
import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from pratique.cli import pratique as cli
from pratique.config import load
from pratique.store.influxdb.address import InfluxAddress

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA_NAMES = {"duckdb": "python-duckdb", "redis": "redis-py", "docker": "docker-py", "tzdata": "python-tzdata"} | {
    name: name.replace("-", "_") for name in ("jupyter-client", "jupyter-core", "typing-extensions")
}


def test_environment_yml_lists_the_dependencies_of_pyproject():
    lines = re.findall(
        r"^  - ([a-z][\w-]*(?:>=[\w.]+)?)$",
        (ROOT / "environment.yml").read_text().partition("dependencies:")[2],
        re.MULTILINE,
    )
    wanted = []
    for dependency in PROJECT["project"]["dependencies"]:
        name, _, version = dependency.partition(">=")
        wanted.append(f"{CONDA_NAMES.get(name, name)}>={version}")
    assert sorted(set(lines) - {"pip", "python>=3.11"}) == sorted(wanted)


def test_constraints_pin_every_direct_dependency():
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    extras = PROJECT["project"]["optional-dependencies"]["dev"]
    named = {re.split(r"[>=\[]", name)[0].lower() for name in PROJECT["project"]["dependencies"] + extras}
    assert named <= pinned


def test_every_pinned_version_runs_on_the_oldest_supported_python():
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=") + ".0"
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    refused = {}
    for name, version in pins.items():
        with contextlib.suppress(PackageNotFoundError):  # a pin for another platform
            found = metadata(name)
            wanted = found.get("Requires-Python") or ""
            if found["Version"] == version and not SpecifierSet(wanted).contains(oldest):
                refused[name] = wanted
    assert refused == {}


def test_no_committed_file_names_a_registry():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(
        r"https?://(pypi|files\.pythonhosted|registry\.npmjs|deb\.debian|index\.docker)", re.IGNORECASE
    )
    guilty = [
        name for name in names if (ROOT / name).is_file() and pattern.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert guilty == []


def test_every_make_target_explains_itself():
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert targets
    assert all(re.search(rf"^{target}:.*## \w", text, re.MULTILINE) for target in targets)


def test_the_hooks_run_what_make_check_runs():
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    checks = re.findall(r"^\t\$\(BIN\)/(.+)$", recipe, re.MULTILINE)
    hooks = re.findall(r"entry: \.venv/bin/([^,}]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert [program_of(hook) for hook in hooks] == [program_of(check) for check in checks]


def program_of(command):
    """The program of a command, with its subcommand or script."""
    program, *words = command.split()
    return (program, *(word for word in words[:1] if program in ("ruff", "zensical", "python")))


SUITE = ROOT / "examples/suite"


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="docker-compose is not installed: apt-get install docker-compose"
)
@pytest.mark.slow
def test_the_suites_compose_file_is_valid():
    env = os.environ | {"INFLUXDB_PASSWORD": "x", "INFLUXDB_TOKEN": "y", "GRAFANA_PASSWORD": "z"}
    command = ["docker-compose", "-f", SUITE / "compose.yaml", "config"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    for service in ("lab", "collector", "balancer", "influxdb", "grafana"):
        assert f"  {service}:\n" in done.stdout


def test_grafana_finds_what_the_suite_provides():
    compose = yaml.safe_load((SUITE / "compose.yaml").read_text())
    grafana = compose["services"]["grafana"]
    mounts = dict(reversed(volume.removesuffix(":ro").split(":")) for volume in grafana["volumes"])
    provisioning = SUITE / mounts["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/influxdb.yaml").read_text())["datasources"]
    store = InfluxAddress.of(load(SUITE / "pratique.toml").store.url)
    assert (source["jsonData"]["organization"], source["jsonData"]["defaultBucket"]) == (
        store.organisation,
        store.bucket,
    )
    assert urlsplit(source["url"]).hostname in compose["services"]
    assert source["secureJsonData"]["token"].removeprefix("$") in grafana["environment"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/pratique.yaml").read_text())["providers"]
    shown = {mount for mount in mounts if mount.startswith(provider["options"]["path"] + "/")}
    assert all((SUITE / mounts[mount]).is_file() for mount in shown)
    assert {Path(mount).name for mount in shown} == {path.name for path in (SUITE / "grafana").glob("*.json")}


def test_the_suite_starts_only_existing_commands():
    config = load(SUITE / "pratique.toml").service("shop")
    assert (config.runtime.kind, config.balancer.kind) == ("docker", "haproxy")
    store = InfluxAddress.of(load(SUITE / "pratique.toml").store.url)
    compose = (SUITE / "compose.yaml").read_text()
    assert f"DOCKER_INFLUXDB_INIT_ORG: {store.organisation}\n" in compose
    assert f"DOCKER_INFLUXDB_INIT_BUCKET: {store.bucket}\n" in compose
    assert f'ports: ["127.0.0.1:{urlsplit(store.server).port}:8086"]' in compose
    started = re.findall(r'command: \["pratique", "([a-z]+)"', (SUITE / "compose.yaml").read_text())
    assert started == ["collect", "balancer"]
    assert set(started) <= set(cli.commands)
    copied = re.findall(r"^COPY ([^ ]+)", (SUITE / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / path).exists() for path in copied)

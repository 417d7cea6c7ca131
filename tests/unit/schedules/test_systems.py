"""The files of every scheduler are valid, run the same command, and keep it whole whatever a path holds.

GitHub's, GitLab's and Kubernetes' files are checked against the schemas of these systems; a shell runs the line of cron, Python reads
the DAG of Airflow. The units of systemd and the pipeline of Jenkins are read back here by the rules of their manuals.
"""

import ast
import configparser
import re
import shlex
import stat
import subprocess
import sys
from itertools import product

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from pratique.config import StoreSettings
from pratique.errors import UsageError
from pratique.schedules import SYSTEMS, Period, ScheduledReport, schedule_files
from pratique.schedules.report import store_secrets
from support.schedule_examples import FOLDER, example_files

HOSTILE = """it's "100 %" $HOME `id` \\ {{ x }} {% raw %}{% endraw %} ${{ y }} #; é"""
PATHS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=40).map(
    lambda text: f"/srv/{text}"
)


def report(**given):
    values = {"folder": "/srv/shop", "config": "pratique.toml", "program": "/opt/bin/pratique", "image": "reg/p:1"}
    return ScheduledReport("shop", Period.parse("1h", name="shop"), **(values | given))


def only(system, made):
    (text,) = schedule_files(system, made).values()
    return text


def cron_command(made):
    """What cron gives to the shell."""
    (line,) = [line for line in only("cron", made).splitlines() if line.startswith(made.period.cron)]
    user, command = line.removeprefix(made.period.cron).strip().split(" ", 1)
    assert user == made.user
    return re.sub(r"\\%", "%", command)


def airflow_command(made):
    """What Airflow gives to bash: the template rendered."""
    calls = [node for node in ast.walk(ast.parse(only("airflow", made))) if isinstance(node, ast.Call)]
    (operator,) = [call for call in calls if getattr(call.func, "id", "") == "BashOperator"]
    given = {word.arg: word.value for word in operator.keywords}
    return Environment().from_string(ast.literal_eval(given["bash_command"])).render()


def systemd_words(made):
    """The words of ExecStart, by systemd.service(5): quotes with \\ inside, $$ and %% are single."""
    unit = next(text for place, text in schedule_files("systemd", made).items() if place.endswith(".service"))
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', line)]
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


def groovy_line(made):
    (text,) = re.findall(r"^ *sh '((?:[^'\\]|\\.)*)'$", only("jenkins", made), re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", text)


@given(path=PATHS)
def test_every_scheduler_runs_the_same_words_whatever_the_paths_hold(path):
    made = report(folder=path, program=f"{path}/bin/pratique", config=path, out=path)
    assert made.host_words[0] in shlex.split(cron_command(made))
    assert shlex.split(airflow_command(made)) == ["cd", path, "&&", *made.host_words]
    assert systemd_words(made) == made.host_words
    assert shlex.split(groovy_line(made)) == made.words
    (job,) = yaml.safe_load(only("gitlab", made)).values()
    assert shlex.split(job["script"][0]) == made.words
    step = yaml.safe_load(only("github", made))["jobs"]["report"]["steps"][1]
    assert shlex.split(step["run"].replace("${{ '${{' }}", "${{")) == made.words


@pytest.mark.slow
@pytest.mark.parametrize(("system", "schema"), [("github", "vendor.github-workflows"), ("gitlab", "vendor.gitlab-ci")])
def test_the_ci_files_are_valid_by_the_schemas_of_their_systems(system, schema, tmp_path):
    for number, (secrets, image) in enumerate(product([(), ("STORE_TOKEN", "OTHER")], ["", "reg/p:1"])):
        made = report(secrets=secrets, image=image, out=HOSTILE)
        (tmp_path / f"{number}.yml").write_text(only(system, made))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *sorted(tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_kubernetes_objects_are_valid_by_its_schemas():
    objects = list(yaml.safe_load_all(only("kubernetes", report(secrets=("STORE_TOKEN",)))))
    assert [made["kind"] for made in objects] == ["CronJob", "PersistentVolumeClaim"]
    for made in objects:
        kubernetes_validate.validate(made, "1.31", strict=True)
    container = objects[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == report().container_words


def test_a_kubernetes_job_needs_an_image():
    with pytest.raises(UsageError, match="needs the image of the suite: give --image"):
        schedule_files("kubernetes", report(image=""))


def test_the_units_of_systemd_have_their_sections_and_times():
    made = report(secrets=("STORE_TOKEN",))
    units = []
    for text in schedule_files("systemd", made).values():
        parser = configparser.RawConfigParser(strict=True)
        parser.optionxform = str
        parser.read_string(text)
        units.append(parser)
    service, timer = units
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["EnvironmentFile"] == "/srv/shop/pratique.env"
    assert timer["Timer"] == {"OnCalendar": made.period.calendar, "Persistent": "true"}
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.fixture
def program(tmp_path):
    """A program in place of pratique: it prints its arguments and a secret, and ends with the status in a file."""
    path = tmp_path / "it's 100 % $fake"
    path.write_text(f'#!/bin/sh\necho "$@" "token=$STORE_TOKEN"\nexit $(cat {shlex.quote(str(tmp_path / "status"))})\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("status", [0, 1, 2, 69])
def test_cron_mails_the_log_of_a_failed_run_and_passes_its_status_on(tmp_path, program, status):
    (tmp_path / "status").write_text(str(status))
    (tmp_path / "pratique.env").write_text("STORE_TOKEN='s3cret token'\n")
    made = report(folder=str(tmp_path), program=str(program), secrets=("STORE_TOKEN",))
    done = subprocess.run(["/bin/sh", "-c", cron_command(made)], capture_output=True, text=True, check=False)
    log = (tmp_path / f"{made.name}.log").read_text()
    assert "run canary_report -p service shop" in log
    assert "token=s3cret token" in log
    assert (done.returncode, done.stdout, done.stderr) == (status, "" if status == 0 else log, "")


def test_cron_is_not_silent_when_the_folder_is_gone(tmp_path):
    command = cron_command(report(folder=str(tmp_path / "gone")))
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "gone" in done.stderr


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_scheduler_prints_a_secret_only_its_name(system):
    text = "".join(schedule_files(system, report(secrets=("STORE_TOKEN",))).values())
    assert "STORE_TOKEN" in text


@pytest.mark.parametrize("field", ["folder", "config", "program", "out", "image", "user"])
def test_a_path_that_would_end_a_line_is_refused(field):
    with pytest.raises(UsageError, match=f"{field} .* has a control character"):
        report(**{field: "/srv/a\nb: c"})


def test_different_services_have_different_names_that_every_scheduler_takes():
    services = ["shop", "Shop", "shop.a", "shop_a", "s" * 100, "s" * 99, "0", "a--b"]
    names = [ScheduledReport(service, Period.parse("1h"), folder="/", config="c").name for service in services]
    assert len(set(names)) == len(services)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", name) for name in names)


def test_a_report_needs_the_secrets_of_a_read_and_not_those_of_a_write():
    assert store_secrets(StoreSettings(url="influxdb://h/o/b", token_env="WRITE", read_token_env="READ")) == ("READ",)
    assert store_secrets(StoreSettings(url="influxdb://h/o/b", token_env="WRITE")) == ("WRITE",)
    prometheus = {"password": "env:PASSWORD", "bearer_token": "file:/run/token", "headers": {"X-Scope": "env:SCOPE"}}
    assert store_secrets(StoreSettings(url="prometheus://h", prometheus=prometheus)) == ("PASSWORD", "SCOPE")


def test_an_unknown_scheduler_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match="'anacron' is not a scheduler that is known: give cron, systemd"):
        schedule_files("anacron", report())


def test_the_example_of_each_scheduler_is_what_the_command_prints():
    made = example_files()
    assert {path: path.read_text(encoding="utf-8") for path in FOLDER.rglob("*") if path.is_file()} == made

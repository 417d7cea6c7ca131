"""What cron and systemd get: quoted, in the host's time zone, and refused where they are too slow."""

import shlex
import shutil
import subprocess

import pytest

from pratique.config import Config, JobSettings, ServiceSettings, load
from pratique.errors import UsageError
from pratique.jobs.install import crontab, systemd
from pratique.jobs.job import find_job

COMMAND = ["/srv/a b/bin/pratique"]


def jobs_with(**settings):
    given = {"command": ["true"], "schedule": "30 2 * * *", "timezone": "UTC", **settings}
    config = Config(services={"shop": ServiceSettings()}, jobs={"nightly": JobSettings(**given)}, file="/srv/p\n.toml")
    return [find_job(config, "nightly")]


def line_of(**settings):
    return crontab(jobs_with(**settings), COMMAND, ["--config", "/srv/50%/$(id)/p.toml"])[-1]


def test_a_line_of_a_crontab_is_one_command():
    line = line_of()
    assert line.startswith("30 2 * * * ")
    # cron takes \% for %, then a shell reads the rest
    words = shlex.split(line.replace(r"\%", "%"))[5:]
    assert words == [*COMMAND, "job", "nightly", "--quiet", "--config", "/srv/50%/$(id)/p.toml"]
    assert "%" not in line.replace(r"\%", "")


@pytest.mark.parametrize(
    "settings",
    [
        {"timezone": "Europe/Vienna"}, {"schedule": "0 0 L * *"}, {"schedule": "0 0 * * FRI#3"},
        {"schedule": "", "every_s": 420},
    ],
)  # fmt: skip
def test_what_crons_own_clock_cannot_do_is_looked_at_every_minute(settings):
    line = line_of(**settings)
    assert line.startswith("* * * * * ")
    assert "--if-due" in line


def test_a_job_of_seconds_needs_the_scheduler():
    for write in (crontab, systemd):
        with pytest.raises(UsageError, match="run it with: pratique jobs --run"):
            write(jobs_with(schedule="", every_s=10), COMMAND, [])


@pytest.fixture
def job_with_secrets(tmp_path):
    (tmp_path / "pratique.toml").write_text(
        "[services.shop.runtime]\ncommand = ['true']\nenv = { TOKEN = 'env:SHOP_TOKEN', CITY = 'Trieste' }\n"
        "[jobs.nightly]\ncommand = ['true']\nschedule = '30 2 * * *'\nping = 'env:PING'\n"
        "[[notify]]\nto = 'env:HOOK'\n"
    )
    return find_job(load(tmp_path / "pratique.toml"), "nightly")


def test_a_line_of_cron_takes_the_secrets_from_their_file(job_with_secrets, tmp_path):
    (tmp_path / "pratique.env").write_text("SHOP_TOKEN=abc\nHOOK=x\nPING=y\n")
    *_, note, line = crontab([job_with_secrets], ["env", "#"], [])
    assert note.endswith("pratique.env (mode 0600) has a line NAME=VALUE for each of: HOOK, PING, SHOP_TOKEN")
    command = line.split(" ", 5)[5].replace("env '#'", "printenv SHOP_TOKEN #")
    done = subprocess.run(["sh", "-c", command], env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "abc\n"


def test_a_unit_takes_the_secrets_from_their_file(job_with_secrets, tmp_path):
    assert f"EnvironmentFile={tmp_path}/pratique.env" in systemd([job_with_secrets], COMMAND, [])


@pytest.mark.parametrize("write", [crontab, systemd])
def test_a_path_with_a_line_break_is_refused(write):
    with pytest.raises(UsageError, match="fits into no line"):
        write(jobs_with(), COMMAND, ["--config", "/srv/a\n* * * * * evil/p.toml"])


def test_no_line_of_the_service_files_name_becomes_a_line_of_the_crontab():
    assert len(crontab(jobs_with(), COMMAND, [])) == 3


@pytest.mark.parametrize(
    ("settings", "calendars"),
    [
        ({"schedule": "30 2 * * *"}, ["*-*-* 02:30:00 UTC"]),
        ({"schedule": "@hourly", "timezone": "Europe/Vienna"}, ["*-*-* *:00:00 Europe/Vienna"]),
        ({"schedule": "*/20 8-9 * * MON-FRI"}, ["Mon,Tue,Wed,Thu,Fri *-*-* 08,09:00,20,40:00 UTC"]),
        ({"schedule": "0 0 1,15 * SUN"}, ["*-*-01,15 00:00:00 UTC", "Sun *-*-* 00:00:00 UTC"]),
        ({"schedule": "0 3 29 2 *"}, ["*-02-29 03:00:00 UTC"]),
        ({"schedule": "0 0 L * *"}, ["*-*-* *:*:00"]),
    ],
)
def test_calendars_of_systemd(settings, calendars):
    lines = systemd(jobs_with(**settings), COMMAND, ["--config", "/srv/50%/p.toml"])
    assert [line.partition("=")[2] for line in lines if line.startswith("OnCalendar=")] == calendars
    assert 'ExecStart="/srv/a b/bin/pratique" job nightly' in "\n".join(lines)
    assert "/srv/50%%/p.toml" in "\n".join(lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_calendars():
    for schedule in ("30 2 * * *", "*/20 8-9 * * MON-FRI", "0 3 29 2 *"):
        lines = systemd(jobs_with(schedule=schedule), COMMAND, [])
        for line in lines:
            if line.startswith("OnCalendar="):
                words = ["systemd-analyze", "calendar", line.partition("=")[2]]
                assert subprocess.run(words, capture_output=True, check=False).returncode == 0, line

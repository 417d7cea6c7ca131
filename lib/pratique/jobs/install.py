"""What to install so that cron or systemd runs the jobs: lines of a crontab, and units. Nothing is written here.

Source: crontab(5) of Debian; systemd.time(7), systemd.service(5), systemd.syntax(7).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pratique.errors import UsageError
from pratique.jobs.job import Job
from pratique.jobs.schedule import fields_of, host_zone, zone_name
from pratique.release.secrets import environment_names
from pratique.scheduler_text import SECRETS_FILE, cron_line, unit_path, unit_word

MINUTE_S = 60.0
IF_DUE = "--if-due"
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EVERY_MINUTE = "*-*-* *:*:00"
_NAMES = "SUN|MON|TUE|WED|THU|FRI|SAT|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
PLAIN = re.compile(rf"(?:[0-9*,/ -]|(?<![A-Z])(?:{_NAMES})(?![A-Z]))+", re.IGNORECASE)
"""Fields that every cron knows: not the last day of a month, and not the third Friday."""


def crontab(jobs: Sequence[Job], command: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return the lines of a crontab. command: the words that start Pratique. options: such as --config FILE.

    Raises: UsageError for a job that is due more often than cron looks.
    """
    lines = [
        f"# jobs of {_comment(jobs[0].config.file)}, for the crontab of the user who runs Pratique: crontab -e",
        f"# cron reads these times in the time zone of this host, {host_zone()}",
    ]
    for job in jobs:
        times, due = _cron_times(job)
        words = [*command, "job", job.name, *due, "--quiet", *options]
        _require_one_line([*words, _secrets_file(job)])
        if names := secret_names(job):
            lines.append(_secrets_note(job, names))
        given = f"set -a; . {shlex.quote(_secrets_file(job))}; set +a; " if names else ""
        lines.append(cron_line(f"{times} {given}{shlex.join(words)}"))
    return lines


def systemd(jobs: Sequence[Job], command: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return a service and a timer for each job, each after the name of its file. Raises: UsageError."""
    lines: list[str] = []
    for job in jobs:
        calendars, due = _calendars(job)
        words = [*command, "job", job.name, *due, "--quiet", *options]
        _require_one_line([*words, str(job.target.base)])
        names = secret_names(job)
        secrets = unit_path(_secrets_file(job))
        lines += [
            f"# /etc/systemd/system/pratique-job-{job.name}.service",
            *([_secrets_note(job, names)] if names else []),
            "[Unit]",
            f"Description=Pratique job {job.name}",
            "",
            "[Service]",
            "Type=oneshot",
            f"WorkingDirectory={unit_path(str(job.target.base))}",
            *([f"EnvironmentFile={secrets}"] if names else []),
            f"ExecStart={' '.join(map(_unit_word, words))}",
            "# the user who runs Pratique",
            "#User=pratique",
            "",
            f"# /etc/systemd/system/pratique-job-{job.name}.timer",
            "[Unit]",
            f"Description=Times of Pratique job {job.name}",
            "",
            "[Timer]",
            *(f"OnCalendar={calendar}" for calendar in calendars),
            "AccuracySec=1s",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    return lines


def secret_names(job: Job) -> list[str]:
    """Return the names of the environment variables that a run needs: of its service, its ping and the notifications."""
    parts = (job.target.settings, job.settings, *job.config.notify)
    return sorted({name for part in parts for name in environment_names(part.model_dump())})


def _secrets_file(job: Job) -> str:
    return str(job.target.base / SECRETS_FILE)


def _secrets_note(job: Job, names: Sequence[str]) -> str:
    return f"# {_secrets_file(job)} (mode 0600) has a line NAME=VALUE for each of: {', '.join(names)}"


def _cron_times(job: Job) -> tuple[str, list[str]]:
    """Return the five fields and the options of a job. Where cron's own clock does not do, it looks every minute."""
    _require_minutes(job)
    if not job.settings.every_s and zone_name(job.settings) == host_zone() and PLAIN.fullmatch(fields_of(job.settings)):
        return fields_of(job.settings), []
    return "* * * * *", [IF_DUE]


def _calendars(job: Job) -> tuple[list[str], list[str]]:
    """Return the calendars of a timer and the options of a job."""
    _require_minutes(job)
    if job.settings.every_s or not PLAIN.fullmatch(fields_of(job.settings)):
        return [EVERY_MINUTE], [IF_DUE]
    from cronsim import CronSim  # noqa: PLC0415 - for jobs only

    cron = CronSim(fields_of(job.settings), datetime(2024, 1, 1, tzinfo=UTC))
    minute, hour, day, month, weekday = fields_of(job.settings).split()
    clock = f"{_list(cron.hours, hour)}:{_list(cron.minutes, minute)}:00 {zone_name(job.settings)}"
    months, days = _list(cron.months, month), _list(cron.days, day)
    # cron knows 0 and 7 for Sunday
    names = ",".join(dict.fromkeys(DAYS[number] for number in sorted(int(str(d)) for d in cron.weekdays)))
    weekdays = "" if weekday == "*" else f"{names} "
    if cron.day_and or not weekdays:
        return [f"{weekdays}*-{months}-{days} {clock}"], []
    # where both are given, cron takes either
    return [f"*-{months}-{days} {clock}", f"{weekdays}*-{months}-* {clock}"], []


def _require_minutes(job: Job) -> None:
    if 0 < job.settings.every_s < MINUTE_S:
        raise UsageError(
            f"job {job.name!r} is due every {job.settings.every_s:g} s, and cron and timers look every minute: "
            "run it with: pratique jobs --run"
        )


def _require_one_line(words: Sequence[str]) -> None:
    """Require words that fit into one line: the rest of a path with a line break would be another entry."""
    for word in words:
        if _comment(word) != word:
            raise UsageError(f"{word!r:.200} has a character that fits into no line of cron or systemd: rename it")


def _list(numbers: Iterable[int], field: str) -> str:
    return "*" if field == "*" else ",".join(f"{number:02d}" for number in sorted(numbers))


def _unit_word(word: str) -> str:
    """Return a word of a command line, in quotes where it needs them."""
    text = unit_word(word)
    return f'"{text}"' if re.search(r"[\s'\"\\;]", text) or not text else text


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)

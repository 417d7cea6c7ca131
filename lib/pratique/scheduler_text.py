"""Words and lines as cron and systemd read them, in files that a person installs.

Source: crontab(5) of Debian; systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

SECRETS_FILE = "pratique.env"
"""Beside the service file: cron and systemd start a command with almost no environment."""


def cron_line(line: str) -> str:
    """Return a line of a crontab: cron takes % for the end of the command, whatever quotes are around it."""
    return line.replace("%", r"\%")


def unit_specifiers(text: str) -> str:
    """Return text for a unit file, where % begins a specifier."""
    return text.replace("%", "%%")


def unit_path(path: str) -> str:
    """Return a path after WorkingDirectory= or EnvironmentFile=, where a backslash is one, and only specifiers are replaced.

    A space at the end would be cut off, and a backslash there would join the next line.
    """
    text = unit_specifiers(path)
    return f"{text}/" if text.endswith((" ", "\\")) else text


def unit_word(word: str) -> str:
    """Return a word of a command line in a unit file, for between double quotes; it needs none where it has no space or sign."""
    return unit_specifiers(word).replace("\\", "\\\\").replace("$", "$$").replace('"', '\\"')

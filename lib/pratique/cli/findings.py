"""Run checks and print what they find, one line for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from pratique.cli.colours import paint_start

if TYPE_CHECKING:
    from pratique.check import Check

CHECK_EPILOG = """\b
Exit status: 0 no problem, 1 problems were found,
64 and above for wrong usage or a failure."""


def print_findings(checks: Sequence[Check], *, as_json: bool) -> NoReturn:
    """Run checks, print each finding at once (or all as JSON), and exit with 1 where one is a problem."""
    width = max(len(check.subject) for check in checks)
    findings = []
    for check in checks:
        findings.append(check.run())
        if not as_json:
            click.echo(paint_start(findings[-1].to_text(width)))
    if as_json:
        click.echo(json.dumps([finding.to_json() for finding in findings]))
    sys.exit(any(finding.state == "problem" for finding in findings))

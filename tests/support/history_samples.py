"""A history with every kind of event, for the figures and the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pratique.delivery.history import History, history_of
from pratique.ledger import open_ledger
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 1, tzinfo=UTC)
GUARDS = {"5xx": {"bad": {"r2": 9, "r3": 31}, "requests": {"r2": 9000, "r3": 1000}}}
HOSTILE = "<script>alert(1)</script>"


def sample_story(folder: Path, start: datetime = START) -> LedgerStory:
    """Write a ledger: two deployments, one of which failed, a canary that was stopped, one without a verdict, and incidents."""
    story = LedgerStory(open_ledger(folder), start)
    story.first("r1")
    story.release("r2", 24)
    story.release("r3", 72, verdict="rollback", requests={"r2": 9000, "r3": 1000}, guards=GUARDS)
    story.release("r4", 96, verdict="inconclusive")
    story.release("r5", 200)
    story.incident("I1", 201, cause="r5")
    story.rollback("r2", 203, incident="I1")
    story.incident(HOSTILE, 300)
    return story


def sample_history(folder: Path) -> History:
    """Return the history of that ledger over 20 days, with a commit that waits."""
    story = sample_story(folder)
    now = START + timedelta(days=20)
    found = history_of("shop", story.ledger.entries("shop"), None, start=START, end=now, now=now)
    return replace(found, commits=replace(found.commits, waiting=(START + timedelta(days=18),)))

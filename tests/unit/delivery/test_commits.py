"""Lead times from real git repositories."""

import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from pratique.delivery.commits import commits_of
from pratique.delivery.deployments import record_of
from pratique.delivery.metrics import Period, lead_time
from pratique.ledger import open_ledger
from support.ledger_story import LedgerStory

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = Period(START, START + timedelta(days=7))


class Repository:
    """A git repository whose commits have given times."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments, hours=0.0):
        time = f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
        names = {
            "GIT_AUTHOR_NAME": "ann",
            "GIT_COMMITTER_NAME": "ann",
            "GIT_AUTHOR_EMAIL": "a@b.c",
            "GIT_COMMITTER_EMAIL": "a@b.c",
        }
        env = (
            os.environ | names | {"GIT_AUTHOR_DATE": time, "GIT_COMMITTER_DATE": time, "GIT_CONFIG_GLOBAL": "/dev/null"}
        )
        return subprocess.run(
            ["git", "-C", str(self.folder), *arguments], env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, hours, name="change"):
        (self.folder / f"{name}-{hours}").write_text(name)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name, hours=hours)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "git")


@pytest.fixture
def story(tmp_path):
    (tmp_path / "state").mkdir()
    return LedgerStory(open_ledger(tmp_path / "state"), START)


def lead(story, repository, period=WEEK):
    record = record_of("shop", story.ledger.entries("shop"))
    commits = commits_of(record, repository.folder)
    return lead_time(record, commits, period), sorted(commit.hours for commit in commits.delivered)


def test_each_commit_waits_for_the_first_deployment_that_contains_it(story, repository):
    story.first("r1", commit=repository.commit(0))
    for hours in (1, 1, 2):
        last = repository.commit(hours, f"work{hours}{story.runs}")
        story.runs += 1
    story.release("r2", 5, commit=last)
    story.release("r3", 9, commit=repository.commit(8))
    found, hours = lead(story, repository)
    assert hours == [1, 3, 4, 4]
    assert (found.count, found.median, found.interval, found.unknown) == (4, 3.5, None, 0)


def test_waiting_commits_are_counted_and_change_only_the_second_median(story, repository):
    story.first("r1", commit=repository.commit(0))
    story.release("r2", 6, commit=repository.commit(2))
    repository.commit(100)
    found, hours = lead(story, repository)
    assert (hours, found.median, found.waiting) == ([4], 4, 1)
    assert found.with_waiting.surviving == (0.5,)


def test_the_first_known_deployment_has_no_lead_time(story, repository):
    story.first("r1")
    for hours in (0, 1, 2):
        last = repository.commit(hours)
    story.release("r2", 5, commit=last)
    found, hours = lead(story, repository)
    assert (hours, found.count, found.median) == ([], 0, None)


def test_merges_do_not_count_but_what_they_bring_does(story, repository):
    story.first("r1", commit=repository.commit(0))
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(1)
    repository.git("checkout", "-q", "main")
    repository.commit(2)
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "side", hours=3)
    story.release("r2", 5, commit=repository.git("rev-parse", "HEAD"))
    assert lead(story, repository)[1] == [3, 4]


def test_a_squash_and_a_cherry_pick_count_from_when_they_took_their_place(story, repository):
    story.first("r1", commit=repository.commit(0))
    repository.git("checkout", "-q", "-b", "side")
    picked = repository.commit(1, "picked")
    repository.git("checkout", "-q", "-b", "other", "main")
    repository.commit(1, "squashed")
    repository.git("checkout", "-q", "main")
    repository.git("cherry-pick", picked, hours=3)
    repository.git("merge", "-q", "--squash", "other")
    repository.git("commit", "-q", "-m", "squashed", hours=4)
    story.release("r2", 5, commit=repository.git("rev-parse", "HEAD"))
    assert lead(story, repository)[1] == [1, 2]


def test_a_commit_with_a_wrong_clock_is_a_finding_and_left_out(story, repository):
    story.first("r1", commit=repository.commit(0))
    ahead = repository.commit(50)
    repository.commit(2)
    story.release("r2", 5, commit=repository.git("rev-parse", "HEAD"))
    found, _ = lead(story, repository)
    assert (found.count, found.median, found.negative) == (1, 3, (ahead,))


def test_unknown_commits_are_counted(story, repository):
    story.first("r1", commit=repository.commit(0))
    story.release("r2", 3)
    story.release("r3", 5, commit="f" * 40)
    story.release("r4", 7, commit="--output=/tmp/x")
    found, _ = lead(story, repository)
    assert (found.count, found.unknown) == (0, 3)


def test_a_rolled_back_commit_keeps_its_first_deployment(story, repository):
    story.first("r1", commit=repository.commit(0))
    story.release("r2", 3, commit=repository.commit(1))
    story.rollback("r1", 4)
    story.release("r3", 9, commit=repository.commit(8))
    assert lead(story, repository)[1] == [1, 2]


def test_a_shallow_clone_tells_nothing(story, repository, tmp_path):
    repository.commit(0)
    last = repository.commit(1)
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{repository.folder}", str(tmp_path / "shallow")], check=True
    )
    story.first("r1")
    story.release("r2", 3, commit=last)
    found = commits_of(record_of("shop", story.ledger.entries("shop")), tmp_path / "shallow")
    assert (found.readable, found.unknown) == (False, ("r2",))
    assert "shallow" in found.why


def test_a_folder_without_a_repository_tells_why(story, tmp_path):
    story.first("r1")
    found = commits_of(record_of("shop", story.ledger.entries("shop")), tmp_path)
    assert not found.readable
    assert "not a git repository" in found.why


@pytest.mark.parametrize("seconds", ["99999999999999", "253402300800"])
def test_a_date_that_no_calendar_has_is_a_finding(story, repository, seconds):
    story.first("r1", commit=repository.commit(0))
    stream = f"commit refs/heads/odd\ncommitter a <a@b.c> {seconds} +0000\ndata 1\nx\nfrom refs/heads/main\n"
    subprocess.run(["git", "-C", str(repository.folder), "fast-import", "--quiet", "--force", "--date-format=raw-permissive"],
                   input=stream.encode(), check=True)  # fmt: skip
    odd = repository.git("rev-parse", "odd")
    story.release("r2", 3, commit=odd)
    found, hours = lead(story, repository)
    assert (hours, found.negative) == ([], (odd,))


def test_commits_that_were_deployed_after_a_period_waited_at_its_end(story, repository):
    story.first("r1", commit=repository.commit(0))
    story.release("r2", 12, commit=repository.commit(2))
    repository.commit(24)
    story.release("r3", 24 * 9, commit=repository.commit(48))
    found, _ = lead(story, repository)
    assert (found.count, found.waiting) == (1, 2)


def test_a_name_that_moves_is_no_commit(story, repository):
    story.first("r1", commit=repository.commit(0))
    repository.commit(1)
    story.release("r2", 3, commit="main")
    found, hours = lead(story, repository)
    assert (hours, found.unknown) == ([], 1)

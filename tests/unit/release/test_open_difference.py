"""Two revisions by the ledger: which two, whether a directory changed since its release, and keys of the service file by git."""

import subprocess

import pytest

from pratique.config import load
from pratique.errors import MissingError
from pratique.ledger.ledger import open_ledger
from pratique.release import digest_of
from pratique.release.difference_text import sentence
from pratique.release.image_facts import HIDDEN
from pratique.release.open_difference import Asked, compare_revisions, is_path, revisions_of

FILE = '[services.shop.runtime]\ncommand = ["./app", "{port}"]\nenv = { LOG = "%s", KEY_FILE = "file:%s" }\n'


@pytest.fixture
def shop(tmp_path):
    """A service with two release directories."""
    for name in ("r1", "r2"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "app").write_text(name)
    (tmp_path / "pratique.toml").write_text(FILE % ("info", "a"))
    return load(tmp_path / "pratique.toml")


def git(folder, *words):
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, capture_output=True
    )


def bind(shop, revision, digest, configuration=""):
    open_ledger(shop.state_dir).bind("shop", revision, digest, configuration=configuration)


def serve(ledger, revision, **more):
    ledger.append("weight", "shop", revision=revision, data={"shares": {revision: 1.0}}, **more)


def folder(shop, name):
    return shop.target("shop").base / "releases" / name


def test_two_directories_by_name(shop):
    found = compare_revisions(shop, "shop", "r1", "r2", Asked(20))
    assert sentence(found) == "1 file; ±0 B"
    assert found.findings == []
    assert found.notes == [
        "service file not compared: the commit of before and after is not known: label the image with it"
    ]
    assert found.exit_status == 1
    assert compare_revisions(shop, "shop", "r1", "r1", Asked(20)).exit_status == 0


def test_without_names_the_revision_that_serves_and_the_one_before(shop):
    ledger = open_ledger(shop.state_dir)
    with pytest.raises(MissingError, match="no revision of 'shop' that serves"):
        revisions_of(ledger, "shop", "", "")
    for name in ("r1", "r2", "r3"):
        serve(ledger, name)
    assert revisions_of(ledger, "shop", "", "") == ("r2", "r3")
    assert revisions_of(ledger, "shop", "", "r2") == ("r1", "r2")
    assert revisions_of(ledger, "shop", "r1", "") == ("r1", "r3")
    with pytest.raises(MissingError, match="before 'r1'"):
        revisions_of(ledger, "shop", "", "r1")


def test_an_unknown_revision_is_an_error_with_the_known_ones(shop):
    with pytest.raises(MissingError, match="r1, r2"):
        compare_revisions(shop, "shop", "r1", "r9", Asked(20))


def test_a_directory_that_was_changed_after_its_release_is_a_finding(shop):
    bind(shop, "r1", digest_of(folder(shop, "r1")))
    assert compare_revisions(shop, "shop", "r1", "r1", Asked(20)).findings == []
    (folder(shop, "r1") / "app").write_text("else")
    found = compare_revisions(shop, "shop", "r1", "r1", Asked(20))
    assert found.exit_status == 2
    assert "changed since its release" in found.findings[0].unread.reason


def test_a_command_or_environment_that_differs_by_the_ledger_is_shown_without_its_value(shop):
    bind(shop, "r1", "sha256:1", "sha256:a")
    bind(shop, "r2", "sha256:2", "sha256:b")
    (one,) = compare_revisions(shop, "shop", "r1", "r2", Asked(20)).settings
    assert (one.part, one.before, one.after) == ("service file", HIDDEN, HIDDEN)


def test_keys_of_the_service_file_at_the_tags_of_both_revisions(shop):
    base = shop.target("shop").base
    git(base, "init", "-q")
    for name, level in (("r1", "info"), ("r2", "debug")):
        (base / "pratique.toml").write_text(FILE % (level, name))
        git(base, "add", "pratique.toml")
        git(base, "commit", "-qm", name)
        git(base, "tag", name)
    found = compare_revisions(shop, "shop", "r1", "r2", Asked(20))
    assert {(one.key, one.before, one.after) for one in found.settings} == {
        ("runtime.env.LOG", "info", "debug"),
        ("runtime.env.KEY_FILE", HIDDEN, HIDDEN),
    }
    assert found.notes == []


def test_the_commit_of_the_ledger_comes_before_a_tag(shop):
    base = shop.target("shop").base
    git(base, "init", "-q")
    commits = []
    for level in ("info", "debug"):
        (base / "pratique.toml").write_text(FILE % (level, "a"))
        git(base, "add", "pratique.toml")
        git(base, "commit", "-qm", level)
        commits.append(
            subprocess.run(
                ["git", "-C", base, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
            ).stdout.strip()
        )
    git(base, "tag", "r1")
    git(base, "tag", "r2")
    ledger = open_ledger(shop.state_dir)
    ledger.append("release", "shop", revision="r1", data={"event": "started", "commit": commits[0]})
    found = compare_revisions(shop, "shop", "r1", "r2", Asked(20))
    assert [(one.key, one.before, one.after) for one in found.settings] == [("runtime.env.LOG", "info", "debug")]


@pytest.mark.parametrize("name", ["--upload-pack=x", "-x", "HEAD:pratique.toml", "no such"])
def test_a_name_that_is_no_commit_is_a_note(shop, name):
    git(shop.target("shop").base, "init", "-q")
    ledger = open_ledger(shop.state_dir)
    ledger.append("release", "shop", revision="r1", data={"event": "started", "commit": name})
    assert compare_revisions(shop, "shop", "r1", "r2", Asked(20)).notes


@pytest.mark.parametrize(
    ("word", "expected"),
    [("r1", False), ("1.2.3", False), ("./r1", True), ("a.tar", True), ("/x", True), ("a.tar.gz", True)],
)
def test_paths_and_revisions_are_told_apart(word, expected):
    assert is_path(word) is expected

"""What a review takes from the service file: releases in folders, their digests, and a record that the ledger verifies."""

import pytest

from pratique.config import load
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from pratique.release.find import current_digest
from pratique.review import record_review, review_team
from support.made_repository import repository


@pytest.fixture
def config(tmp_path):
    repository(tmp_path, {"Makefile": "all:\n", "pratique.toml": '[services.shop.runtime]\ncommand = ["true"]\n'})
    for revision in ("r1", "r2"):
        (tmp_path / "releases" / revision).mkdir(parents=True)
        (tmp_path / "releases" / revision / "app").write_text(revision)
    return load(tmp_path / "pratique.toml")


def released(config, revision, digest):
    ledger = open_ledger(config.state_dir)
    named = {"revision": revision, "run": f"run-{revision}"}
    ledger.append("release", "shop", **named, data={"event": "started", "digest": digest})
    ledger.append("weight", "shop", **named, data={"shares": {revision: 1.0}})
    ledger.append("release", "shop", **named, data={"event": "ended", "outcome": "promoted"})


def item(review, name):
    return next(one for one in review.items if one.item.id == name)


def test_digests_are_those_of_the_folders_now(config, tmp_path):
    target = config.target("shop")
    for revision in ("r1", "r2"):
        released(config, revision, current_digest(target, revision))
    (tmp_path / "releases/r2/app").write_text("changed")
    review = review_team(config, repository=tmp_path)
    once = item(review, "build.once").evidence[0]
    assert (once.value, once.n) == (0.5, 2)
    assert "not shop r2" in once.reason
    assert item(review, "build.first-standard-deploy").state == "met"


def test_a_release_that_is_gone_is_not_kept(config, tmp_path):
    released(config, "r9", "sha256:0")
    kept = item(review_team(config, repository=tmp_path), "build.stored").evidence[0]
    assert (kept.value, kept.n) == (0.0, 1)
    assert "missing: shop r9" in kept.reason


def test_a_released_service_that_does_not_run_here_leaves_drift_unknown(config, tmp_path):
    assert review_team(config, repository=tmp_path).drift is None
    released(config, "r1", "sha256:0")
    review = review_team(config, repository=tmp_path)
    drift = next(one for one in item(review, "build.scripted-configuration").evidence if one.collector == "runs.drift")
    assert (drift.state, drift.reason) == ("unknown", "shop could not be examined now")
    assert review.drift is None
    assert "drift" not in review.entry()


def test_a_review_is_recorded_and_verified(config, tmp_path):
    entry = record_review(config, review_team(config, repository=tmp_path), who="ann")
    assert (entry.kind, entry.who, len(entry.data["items"])) == ("review", "ann", 78)
    assert open_ledger(config.state_dir).verify() == 1


def test_only_known_services_are_reviewed(config, tmp_path):
    with pytest.raises(UsageError, match="no service 'nope': choose one of shop"):
        review_team(config, services=["nope"], repository=tmp_path)

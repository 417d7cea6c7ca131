"""The page of a history."""

import json
from datetime import timedelta

import pytest

from pratique.clock import utc_now
from pratique.config import load
from pratique.errors import MissingError, UsageError
from pratique.ledger import open_ledger
from pratique.report import open_history, write_history
from support.history_samples import sample_story


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pratique.toml").write_text("[services.shop]\n")
    (tmp_path / ".pratique").mkdir()
    sample_story(tmp_path / ".pratique", utc_now() - timedelta(days=20))
    return load(None)


@pytest.mark.slow
@pytest.mark.kernel
def test_the_page_opens_offline_and_the_json_agrees(config, tmp_path):
    paths = write_history(config, {"service": "shop"}, out_dir=tmp_path / "out")
    page = paths.html.read_text()
    assert "Release history" in page
    assert "<script>alert(1)" not in page
    assert "shop: 2 deployments" in page
    (found,) = json.loads(paths.json.read_text())
    assert found["metrics"]["frequency"]["count"] == 2
    assert paths.notebook.exists()
    (entry,) = open_ledger(config.state_dir).entries(kind="report")
    assert (entry.service, entry.data["html"]) == ("shop", str(paths.html))


def test_the_page_is_named_by_the_period_that_the_notebook_reads(config, tmp_path, monkeypatch):
    given_to_it = {}

    def run(notebook, paths, parameters, *, progress):
        given_to_it.update(parameters)
        return paths

    monkeypatch.setattr("pratique.report.history.run_for_page", run)
    paths = write_history(config, {"service": "shop"}, out_dir=tmp_path / "out")
    # the notebook runs after midnight
    monkeypatch.setattr("pratique.delivery.history.utc_now", lambda: utc_now() + timedelta(days=1))
    again = open_history(**{name: given_to_it[name] for name in ("service", "end", "config", "store")})
    assert f"{again.histories[0].metrics.asked.end:%Y%m%d}" in paths.html.name
    assert again.histories[0].metrics.asked.end.isoformat() == given_to_it["end"]


def test_all_services_or_those_that_are_named(config):
    assert [history.service for history in open_history().histories] == ["shop"]
    assert len(open_history("shop, shop").histories) == 2
    assert len(open_history("shop").weekly) == 12


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"service": "shup"}, MissingError, "no service 'shup'"),
        ({"start": "soon"}, UsageError, "is not a time"),
        ({"service": 7}, UsageError, "is the number 7"),
        ({"start": "2026-05-02", "end": "2026-05-01"}, UsageError, "is empty"),
    ],
)
def test_a_wrong_argument_is_named_before_a_kernel_starts(config, given, error, words, tmp_path):
    with pytest.raises(error, match=words):
        write_history(config, given, out_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()

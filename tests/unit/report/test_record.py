"""Who writes a page leaves an entry in the ledger, if there is one."""

import pytest

from pratique.config import load
from pratique.errors import BusyError
from pratique.ledger import Ledger, open_ledger
from pratique.report.record import record_page
from pratique.report.written_page import ReportPaths


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".pratique").mkdir()
    return load(None)


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "page.html").write_text("<html>")
    return ReportPaths(tmp_path / "page.html", tmp_path / "page.json")


def test_the_entry_names_the_page_and_what_it_is_about(config, paths):
    open_ledger(config.state_dir).append("release", "shop")
    record_page(config, "canary_report", paths, "shop", revision="r2")
    (entry,) = open_ledger(config.state_dir).entries(kind="report")
    assert (entry.service, entry.revision, entry.run) == ("shop", "r2", None)
    assert (entry.data["html"], entry.data["notebook"], len(entry.data["sha256"])) == (
        str(paths.html),
        "canary_report",
        64,
    )


def test_no_ledger_is_made_for_it(config, paths):
    record_page(config, "canary_report", paths, "shop")
    assert not list(config.state_dir.iterdir())


def test_a_ledger_that_cannot_be_written_is_reported_and_the_page_stays(config, paths, monkeypatch, capsys):
    open_ledger(config.state_dir).append("release", "shop")

    def busy(*_, **__):
        raise BusyError("the ledger is in use")

    monkeypatch.setattr(Ledger, "append", busy)
    record_page(config, "canary_report", paths, "shop")
    assert "not recorded in the ledger: the ledger is in use" in capsys.readouterr().out

"""`pratique incident` prints at most 20 lines, and its exit status says who it was."""

import json

import pytest

from pratique.config import Config
from pratique.report.incident_question import IncidentQuestion
from pratique.report.opened_incident import OpenedIncident
from support.incident_values import hostile_investigation, nothing_shown, sample_incident, sample_investigation
from support.report_samples import HOSTILE


def opened(found, question=None):
    return OpenedIncident(found.incident, found.measures, found.changes, question or IncidentQuestion("shop"), Config())


@pytest.fixture
def finds(monkeypatch):
    """Set what the store shows; the questions that were asked are in the list."""
    asked = []

    def set_found(*found):
        def one(config, question):
            asked.append(question)
            return opened(found[0], question)

        def every(config, question, *, progress=None):
            asked.append(question)
            return [opened(each, question) for each in found]

        monkeypatch.setattr("pratique.report.incident.investigate_stored", one)
        monkeypatch.setattr("pratique.report.incident.investigate_all", every)
        return asked

    return set_found


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (nothing_shown(), 0),
        (sample_investigation(), 1),
        (sample_investigation(sample_incident(answer="a change fits")), 2),
        (sample_investigation(sample_incident(answer="no change of ours explains it")), 2),
        (sample_investigation(sample_incident(answer="cannot tell")), 2),
    ],
)
def test_the_exit_status_is_the_answer(run, finds, found, status):
    finds(found)
    code, out, err = run("incident", "shop")
    assert (code, err) == (status, "")
    assert out.startswith(found.incident.answer)
    assert len(out.splitlines()) <= 20


def test_json_is_the_incident_with_its_exit_status(run, finds):
    finds(sample_investigation())
    code, out, _ = run("incident", "shop", "--json")
    assert json.loads(out)["exit_status"] == code == 1
    assert json.loads(out)["suspects"][0]["grade"] == "shown"


def test_all_services_have_a_line_each_and_the_worst_exit_status(run, finds):
    finds(
        nothing_shown(),
        sample_investigation(sample_incident(answer="cannot tell", service="search")),
        sample_investigation(),
    )
    code, out, _ = run("incident", "--all")
    assert code == 1
    assert len(out.splitlines()) == 3
    finds(nothing_shown(), sample_investigation(sample_incident(answer="cannot tell")))
    assert run("incident", "--all")[0] == 2


def test_options_become_the_question(run, finds):
    asked = finds(nothing_shown())
    run("incident", "shop", "--outcome", "p95", "--start", "2026-11-20T12:00", "--end", "2026-11-20T14:00+01:00",
        "--compare-with", "2026-11-19", "--changes", "flags.jsonl", "--alpha", "0.001")  # fmt: skip
    (question,) = asked
    assert (question.service, question.outcome, question.changes, question.alpha) == (
        "shop",
        "p95",
        "flags.jsonl",
        0.001,
    )
    assert question.stem == "incident-shop-p95-20261120T120000Z-20261120T130000Z"


def test_hostile_text_moves_no_cursor(run, finds):
    finds(hostile_investigation(HOSTILE))
    _, out, _ = run("incident", "shop")
    assert all(line.isprintable() for line in out.split("\n"))


@pytest.mark.parametrize("words", [["--all", "shop"], ["shop", "--all", "--out", "x"], ["shop", "--outcome", "errors"],
                                   ["shop", "--alpha", "1"], ["shop", "--start", "never"], ["shop", "extra"]])  # fmt: skip
def test_wrong_use_is_refused_in_one_line(run, words):
    code, out, err = run("incident", *words)
    assert code == 64
    assert out == ""
    assert err.count("\n") == 1


def test_a_notebook_is_written_with_the_parameters_filled_in(run, tmp_path):
    code, out, _ = run("incident", "shop", "--outcome", "503", "--notebook", str(tmp_path / "mine.ipynb"))
    assert code == 0
    assert "open it: jupyter lab" in out
    cells = json.loads((tmp_path / "mine.ipynb").read_text())["cells"]
    injected = next(cell for cell in cells if "injected-parameters" in cell["metadata"].get("tags", ()))
    assert 'outcome = "503"' in "".join(injected["source"])
    assert all(not cell.get("outputs") for cell in cells)

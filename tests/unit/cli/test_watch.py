"""`pratique watch` looks once, or again and again, and goes on after an error that passes."""

from dataclasses import replace

import pytest

from pratique.clock import utc_now
from pratique.errors import MissingError, UnavailableError
from pratique.notify import courier
from pratique.report import incident_watch
from pratique.report.incident_watch import Look
from support.incident_values import nothing_shown, sample_incident


def test_one_look_prints_the_page_and_shares_alpha_among_the_services(run, monkeypatch, tmp_path):
    asked = []

    def look(config, question, *, out_dir=None):
        asked.append(question)
        if question.service == "shop":
            return Look(sample_incident(), tmp_path / "page.html", written=True)
        return Look(nothing_shown().incident)

    monkeypatch.setattr(incident_watch, "look", look)
    code, out, _ = run("watch", "shop", "search")
    assert code == 1
    assert f"page  {tmp_path / 'page.html'}\n" in out
    assert [(question.service, question.alpha) for question in asked] == [("shop", 0.005), ("search", 0.005)]


def test_an_incident_is_reported_once(run, monkeypatch, tmp_path):
    (tmp_path / "pratique.toml").write_text('[[notify]]\nto = "env:HOOK"\n')
    monkeypatch.setattr(courier, "start_courier", lambda _: True)
    monkeypatch.setattr(incident_watch, "look", lambda *_, **__: Look(sample_incident(), tmp_path / "page.html"))
    for _ in range(2):
        assert run("watch", "shop", "--config", str(tmp_path / "pratique.toml"))[0] == 1
    (batch,) = courier.outbox_of(tmp_path / ".pratique").take(utc_now())
    (event,) = batch.events
    assert (event.kind, event.subject, event.report) == ("incident.onset", "shop", str(tmp_path / "page.html"))
    assert event.since == sample_incident().onset.best


def test_a_loop_goes_on_after_a_store_that_did_not_answer(run, monkeypatch, tmp_path):
    looks = []

    def look(config, question, *, out_dir=None):
        looks.append(question)
        if len(looks) == 1:
            raise UnavailableError("the store does not answer")
        if len(looks) == 3:
            raise KeyboardInterrupt
        return Look(sample_incident(), tmp_path / "page.html")

    monkeypatch.setattr(incident_watch, "look", look)
    code, out, err = run("watch", "shop", "--every", "0.001s")
    assert code == 130
    assert "shop: the store does not answer" in err
    assert out == f"page  {tmp_path / 'page.html'} (as before)\n"


def test_a_service_without_requests_stops_no_other_one(run, monkeypatch, tmp_path):
    def look(config, question, *, out_dir=None):
        if question.service != "shop":
            raise {"search": MissingError, "till": UnavailableError}[question.service](f"no {question.service}")
        return Look(sample_incident(), tmp_path / "page.html")

    monkeypatch.setattr(incident_watch, "look", look)
    code, out, err = run("watch", "search", "shop", "till")
    assert code == MissingError.exit_status
    assert out == f"page  {tmp_path / 'page.html'} (as before)\n"
    assert err == "search: no search\ntill: no till\n"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("nothing shown", 0),
        ("a release of ours", 1),
        ("a change fits", 2),
        ("no change of ours explains it", 2),
        ("cannot tell", 2),
    ],
)
def test_only_nothing_shown_is_success(run, monkeypatch, answer, status):
    found = {"shop": replace(nothing_shown().incident, answer=answer), "search": nothing_shown().incident}
    monkeypatch.setattr(incident_watch, "look", lambda config, question, **_: Look(found[question.service]))
    code, out, _ = run("watch", "shop", "search")
    assert (code, out.count("\n")) == (status, 2)


def test_a_wrong_outcome_is_refused_before_the_first_look(run):
    code, _, err = run("watch", "shop", "--outcome", "bad", "--every", "1m")
    assert code == 64
    assert "is not one of 5xx" in err

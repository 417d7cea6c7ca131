"""The draft of a review: everything that the store and the ledger show, and nothing that they do not."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.errors import UsageError
from pratique.incident.model import Span
from pratique.ledger.incidents import IncidentRecord
from pratique.report.incident_draft import draft_page, incident_draft, save_draft
from support.incident_values import at, nothing_shown, sample_change, sample_incident, sample_suspect

RECORD = IncidentRecord(
    "I7", "pratique", "shop", "checkout fails", at(70), 7, "ann", detected=at(90), restored=at(115), severity="SEV-1"
)


def changes():
    rollback = sample_change(108, kind="rollback", revision="r41", number=220, why="errors", shares=None)
    return [*(suspect.change for suspect in sample_incident().suspects), rollback]


def ended():
    onset = replace(sample_incident().onset, ended=Span(at(109), at(111)))
    return sample_incident(onset=onset)


def plain(markdown):
    return re.sub(r"\\(.)", r"\1", markdown)


def test_the_draft_says_what_happened_in_order():
    text = plain(incident_draft(ended(), changes(), RECORD))
    rows = re.findall(
        r"^\| (2026-[^|]+Z) \| (.*) \|$", text.partition("## Timeline")[2].partition("## Evidence")[0], re.MULTILINE
    )
    assert [time for time, _ in rows] == sorted(time for time, _ in rows)
    events = [event.partition(";")[0] for _, event in rows]
    assert events == [
        "flag new-cart of shop",
        "recorded beginning",
        "release r7 of search",
        "release r42 of shop",
        "5xx rises (step, 4.2x)",
        "detected",
        "weight r42 of shop",
        "rollback r41 of shop",
        "5xx is over",
        "users well again, as recorded",
    ]


def test_the_impact_is_in_requests():
    text = plain(incident_draft(ended(), changes(), RECORD))
    assert "76,000 requests since 2026-11-20T14:02:00Z: 231 of them bad (5xx), 54 were to be expected" in text
    assert "about 177 requests failed that would not have" in text
    assert "| POST /checkout · 503 · revision r42 | 94 % | 212 of 1,900 |" in text
    assert "| detected | 2026-11-20T14:10:00Z, 20 min after the recorded beginning |" in text
    assert "| users well again | 2026-11-20T14:35:00Z, 45 min after" in text


def test_the_end_names_near_changes_and_blames_nothing():
    text = plain(incident_draft(ended(), changes(), RECORD))
    end = text.partition("## End")[2].partition("## Unknown")[0]
    assert "It ended between 2026-11-20T14:29:00Z and 2026-11-20T14:31:00Z." in end
    assert "rollback r41 of shop; errors" in end
    assert "not a proof" in end
    assert "release r42" not in end
    alone = plain(incident_draft(ended(), [], RECORD))
    assert "it ended by itself, or by a change that nobody reported" in alone
    going_on = plain(incident_draft(sample_incident(), changes(), RECORD))
    assert "The analysis shows no end. Users were well again at 2026-11-20T14:35:00Z, as recorded." in going_on


def test_what_nobody_knows_is_listed():
    unknown = plain(incident_draft(ended(), changes(), RECORD)).partition("## Unknown")[2]
    assert "anywhere between 2026-11-20T14:01:00Z and 2026-11-20T14:04:00Z" in unknown
    assert "Why the recorded beginning (2026-11-20T13:50:00Z) is not among the possible starts" in unknown
    assert "The cause, as people see it" in unknown
    assert "the collector dropped 12 lines" in unknown
    assert "The cause: " not in unknown
    fits = sample_suspect("fits", lack="a control at the same time")
    found = plain(incident_draft(sample_incident(answer="a change fits", suspects=(fits,)), [], None))
    assert "The cause: a change fits." in found
    assert "Whether release r42 of shop did it: a control at the same time." in found
    assert "the incident is not recorded" in found


def test_a_quiet_range_counts_nothing():
    text = plain(incident_draft(nothing_shown().incident, []))
    assert "No rise is shown in this range, so nothing is counted." in text
    assert "No change that is known falls near the start." in text


HOSTILE = (
    "<script>alert(1)</script> [x](javascript:y) @everyone `a` | b\n# c http://evil.example www.evil.example &lt; **d**"
)


def test_hostile_names_are_text_in_markdown_and_html():
    change = sample_change(81, revision=HOSTILE, why=HOSTILE, who=HOSTILE)
    found = sample_incident(
        sentence=HOSTILE, suspects=(sample_suspect(change=change, reason=HOSTILE),), findings=(HOSTILE,)
    )
    text = incident_draft(found, [change], replace(RECORD, title=HOSTILE, cause=HOSTILE))
    for line in text.splitlines():
        assert not re.search(r"(?<!\\)[<`@]|(?<!\\)://|www\.", line), line
        assert line.count("\n") == 0
    assert [line for line in text.splitlines() if line.startswith("# ")] == [text.splitlines()[0]]
    page = draft_page(text, HOSTILE)
    body = page.partition("<main>")[2].partition("</main>")[0]
    assert "<script" not in body
    assert "<a " not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:y) @everyone `a` | b # c http://evil.example" in body
    assert "&amp;lt; **d**" in body


@pytest.mark.parametrize("text", ["- a", "+ a", "# a", "> a", "1. a", "12) a", "=== a", "* a", "| a |"])
def test_a_text_never_begins_a_list_or_a_heading(text):
    page = draft_page(incident_draft(sample_incident(sentence=text), []), "x")
    assert f"<p>{text.replace('>', '&gt;')}</p>" in page


def test_a_draft_that_somebody_may_have_worked_on_is_not_replaced(tmp_path):
    text, page = save_draft(ended(), changes(), tmp_path, "incident-shop", RECORD)
    assert (text.name, page.name) == ("incident-shop-draft.md", "incident-shop-draft.html")
    assert "<table>" in page.read_text()
    text.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        save_draft(ended(), changes(), tmp_path, "incident-shop", RECORD)
    assert text.read_text() == "mine"


def test_a_long_list_of_changes_is_bounded():
    many = [sample_change(0, number=number) for number in range(500)]
    many = [replace(one, time=one.time + timedelta(seconds=one.number)) for one in many]
    assert incident_draft(ended(), many).count("ledger entry") <= 110

"""Messages before and after the start; their text is never markup."""

from pratique.figures import container_messages
from pratique.incident.container_lines import ContainerLines, MessageCount, ShownLine
from support.incident_values import at
from support.report_samples import HOSTILE

FOUND = ContainerLines(
    start=at(82), first=at(72), end=at(92), instances=("abc",), lines_before=4, lines_after=90,
    before=(ShownLine(at(81), "r42", "abc", "ready"),), after=(ShownLine(at(83), "r42", "abc", HOSTILE[0]),),
    messages=(MessageCount("no connection to * left", 0, 88), *(MessageCount(text, 1, 1) for text in HOSTILE)),
    further=3, notes=("of each side only 50,000 lines are read",),
)  # fmt: skip


def test_messages_are_listed_with_counts_of_both_sides():
    panel = container_messages(FOUND)
    assert panel.text.splitlines()[1] == "0 → 88  no connection to * left"
    assert "3 further messages not shown" in panel.html
    assert "only 50,000 lines" in panel.html


def test_hostile_lines_are_text():
    html = container_messages(FOUND).html
    for bad in ("<script", "<img", "<a ", "<i>"):
        assert bad not in html


def test_without_logs_it_says_so():
    assert "No container logs are kept" in container_messages(None).text

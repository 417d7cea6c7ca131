"""The points of an event."""

from datetime import UTC, datetime

from pratique.export.events import Event
from pratique.export.influxdb_events import lines_of


def test_an_event_is_a_point_with_its_texts_and_its_weights():
    event = Event(
        datetime(2026, 3, 2, 1, 2, 3, 456789, UTC),
        "a shop",
        "weight",
        "r,2",
        'say "hi"',
        "back\\slash",
        7,
        {"r 1": 1, "r,2": 0.5},
    )
    assert list(lines_of(event)) == [
        (
            r'pratique_events,kind=weight,revision=r\,2,service=a\ shop title="say \"hi\"",text="back\\slash",entry=7i '
            "1772413323456789"
        ),
        r"pratique_weights,revision=r\ 1,service=a\ shop share=1.0 1772413323456789",
        r"pratique_weights,revision=r\,2,service=a\ shop share=0.5 1772413323456789",
    ]


def test_an_event_without_a_revision_has_a_tag_for_it():
    event = Event(datetime(2026, 3, 2, tzinfo=UTC), "shop", "release", "", "t", "x", 1)
    assert list(lines_of(event)) == [
        'pratique_events,kind=release,revision=%,service=shop title="t",text="x",entry=1i 1772409600000000'
    ]

"""Revisions by what the server counts."""

from datetime import UTC, datetime

from pratique.config import PointMapping
from pratique.store.points.revisions import of_counts
from pratique.store.points.tag_reader import TagReader

MAPPING = PointMapping(measurement="m", service="app", revision="version", code="=200")


def test_points_with_the_same_tags_count_once_for_all_their_fields():
    one, other = {"app": "shop", "version": "r1", "host": "a"}, {"app": "shop", "version": "r1", "host": "b"}
    counts = [
        ({**one, "_field": "took"}, "count", "7"),
        ({**one, "_field": "path"}, "count", "9"),
        ({**one, "_field": "path"}, "first", "1970-01-01T00:01:59.5Z"),
        ({**one, "_field": "path"}, "last", "1970-01-01T00:03:00Z"),
        ({**other, "_field": "took"}, "count", "1"),
        ({**other, "_field": "took"}, "first", "1970-01-01T00:09:00Z"),
        ({**other, "_field": "took"}, "last", "1970-01-01T00:09:59Z"),
        ({"app": "", "version": "r1", "_field": "took"}, "count", "5"),
    ]
    (seen,) = of_counts(counts, TagReader(MAPPING), lambda tags: True, 60_000)
    assert (seen.service, seen.revision, seen.requests) == ("shop", "r1", 10)
    assert seen.first == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert seen.last == datetime(1970, 1, 1, 0, 9, tzinfo=UTC)

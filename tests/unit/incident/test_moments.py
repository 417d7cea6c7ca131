"""Times as other programs write them."""

from datetime import UTC, datetime

import pytest

from pratique.incident.moments import moment_of


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T12:00:00Z",
        " 2026-11-20T12:00 ",
        "2026-11-20 12:00:00 UTC",
        "2026-11-20 13:00:00 +0100",
        "2026-11-20T12:00:00.000000000Z",
        1795176000,
        1795176000000.0,
    ],
)
def test_forms_of_one_time(value):
    assert moment_of(value) == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "noon", None, True, [], float("inf"), 1e300, -5, "0001-01-01T00:00:00Z"])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match=r"1970|ISO 8601"):
        moment_of(value)

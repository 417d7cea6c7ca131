"""The name of a zone is checked before any file is read."""

import pytest

from pratique.errors import UsageError
from pratique.telemetry.logs.zones import check_zone, header_instant


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(UsageError, match="timezone"):
        check_zone(name)


@pytest.mark.parametrize("text", ["", "2026-11-24T10:00:00", "yesterday"])
def test_a_header_without_a_zone_gives_no_instant(text):
    assert header_instant(text) is None

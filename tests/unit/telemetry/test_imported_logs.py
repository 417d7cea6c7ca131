"""The list of imported logs."""

import pytest

from pratique.errors import DataError
from pratique.telemetry.imported_logs import ImportedLogs


def test_grown_log_keeps_its_name_and_another_log_has_its_own(tmp_path):
    path = tmp_path / "imports.json"
    with ImportedLogs.open(path) as known:
        first, other = known.source(b"a\n"), known.source(b"b\n")
        known.keep()
    with ImportedLogs.open(path) as known:
        assert (known.source(b"a\nmore\n"), known.source(b"b\n")) == (first, other)
    assert first != other


@pytest.mark.parametrize(
    "content", ["{", "{}", "[1]", "null", '[{"source": 1}]', '[{"source":"a","length":"x","sha256":""}]', "[" * 100_000]
)
def test_damaged_list_is_named_with_a_way_out(tmp_path, content):
    path = tmp_path / "imports.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"imports\.json.*corrupt: delete it"):
        ImportedLogs(path)

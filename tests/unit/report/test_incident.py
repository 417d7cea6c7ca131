"""What a notebook passes becomes a question; what cannot be answered is refused before the store is analysed."""

import pytest

from pratique.errors import MissingError, UsageError
from pratique.report import open_incident
from pratique.report.incident import check_incident
from pratique.store import open_store
from support.report_samples import sample_rollups

PARAMETERS = {
    "service": "", "outcome": "5xx", "start": "", "end": "", "compare_with": "", "changes": "", "alpha": 0.01, "config": "",
    "out": "",
}  # fmt: skip


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_store(str(tmp_path / "store")).write(sample_rollups(minutes=2))
    return str(tmp_path / "store")


def test_good_parameters_are_accepted(store):
    check_incident({**PARAMETERS, "store": store})
    # papermill makes a number of a code
    check_incident({**PARAMETERS, "store": store, "outcome": 503})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "never"}, "start 'never' is not a time"),
        ({"service": 7}, "service is the number 7"),
        ({"outcome": "bad"}, "outcome 'bad' is not one of"),
        ({"alpha": 2.0}, "alpha 2.0 is not a probability"),
    ],
)
def test_bad_parameters_are_refused_before_a_kernel_starts(store, changes, message):
    with pytest.raises(UsageError, match=message):
        check_incident({**PARAMETERS, "store": store, **changes})


def test_a_missing_store_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingError, match="does not exist: import a log first"):
        open_incident("shop", store=str(tmp_path / "none"))

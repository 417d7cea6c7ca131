import pytest

from pratique.errors import UsageError
from pratique.runbook.canary.approval import PreApproved, make_approver
from pratique.runbook.release.parameters import ReleaseParameters, check_release_parameters


def ask(**given):
    return check_release_parameters(**{"service": "shop", "revision": "r2", **given})


def test_empty_parameters_stand_for_the_service_file():
    asked = ask()
    assert (asked.stages, asked.approval, asked.baseline, asked.deadline_min) == ((), "", "", 0.0)
    assert asked.run_id.startswith("shop-r2-")
    assert ReleaseParameters.from_json(asked.to_json()) == asked


@pytest.mark.parametrize("stages", [[5, 25.0], (5, 25), "5,25", "[5, 25]", "5% 25%"])
def test_stages_are_accepted_in_every_form_of_papermill(stages):
    assert ask(stages=stages).stages == (5.0, 25.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"revision": 2024}, "revision is 2024, not text: under papermill use -r"),
        ({"dry_run": "yes"}, "dry_run is 'yes': it must be true or false"),
        ({"deadline_min": "soon"}, "deadline_min is 'soon': use minutes"),
        ({"deadline_min": -1}, "deadline_min is -1"),
        ({"stages": [25, 5]}, "rising, each once"),
        ({"stages": [0]}, "above 0 and up to 100"),
        ({"stages": "many"}, "use percents"),
        ({"approval": "perhaps"}, "approval is 'perhaps': use 'automatic' or 'ask'"),
        ({"baseline": "old"}, "baseline is 'old': use 'running' or 'fresh'"),
        ({"service": "../shop"}, "is not a name"),
        ({"revision": ""}, "the revision is missing: name it"),
        ({"run_id": "a/b"}, "is not a name"),
    ],
)
def test_the_error_names_the_wrong_parameter(given, message):
    with pytest.raises(UsageError, match=message):
        ask(**given)


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ask().config == ""
    (tmp_path / "pratique.toml").write_text("")
    assert ask().config == str(tmp_path / "pratique.toml")
    monkeypatch.setenv("PRATIQUE_CONFIG", "other.toml")
    assert ask().config == str(tmp_path / "other.toml")
    assert ask(config="mine.toml").config == str(tmp_path / "mine.toml")
    assert ask(store="data").store == str(tmp_path / "data")
    assert ask(store="s3://bucket/data").store == "s3://bucket/data"


def test_automatic_approval_needs_no_person(tmp_path):
    assert isinstance(make_approver("automatic", "", (5.0, 25.0), tmp_path), PreApproved)


@pytest.mark.parametrize("approvals", ["all", ["all"], "5,25", [5, 25], ["5", "25 %"], "25% 5%"])
def test_nobody_is_asked_when_every_stage_is_approved_in_advance(approvals, tmp_path):
    assert isinstance(make_approver("ask", approvals, (5.0, 25.0), tmp_path), PreApproved)


@pytest.mark.parametrize(
    ("approvals", "message"),
    [
        ("5, 50", "50 is not a stage; they are 5, 25"),
        ("yes", 'give "all", or stages'),
    ],
)
def test_an_approval_of_an_unknown_stage_is_refused(approvals, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        make_approver("ask", approvals, (5.0, 25.0), tmp_path)

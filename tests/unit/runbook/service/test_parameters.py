import pytest

from pratique.errors import UsageError
from pratique.runbook.canary.approval import Given, make_approver
from pratique.runbook.service.parameters import ReleaseAsked, checked


def ask(**given):
    return checked(**{"service": "shop", "revision": "r2", **given})


def test_nothing_given_takes_the_service_files():
    asked = ask()
    assert (asked.stages, asked.approval, asked.baseline, asked.deadline_min) == ((), "", "", 0.0)
    assert asked.run_id.startswith("shop-r2-")
    assert ReleaseAsked.from_json(asked.to_json()) == asked


@pytest.mark.parametrize("stages", [[5, 25.0], (5, 25), "5,25", "[5, 25]", "5% 25%"])
def test_stages_come_as_papermill_gives_them(stages):
    assert ask(stages=stages).stages == (5.0, 25.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"revision": 2024}, "revision is 2024, not text: under papermill give it with -r"),
        ({"dry_run": "yes"}, "dry_run is 'yes': it takes true or false"),
        ({"deadline_min": "soon"}, "deadline_min is 'soon': it takes minutes"),
        ({"deadline_min": -1}, "deadline_min is -1"),
        ({"stages": [25, 5]}, "rising, each once"),
        ({"stages": [0]}, "above 0 up to 100"),
        ({"stages": "many"}, "give percents"),
        ({"approval": "perhaps"}, "approval is 'perhaps': it takes 'automatic' or 'ask'"),
        ({"baseline": "old"}, "baseline is 'old': it takes 'running' or 'fresh'"),
        ({"service": "../shop"}, "is not a name"),
        ({"revision": ""}, "is not a name"),
        ({"run_id": "a/b"}, "is not a name"),
    ],
)
def test_a_wrong_parameter_is_named(given, message):
    with pytest.raises(UsageError, match=message):
        ask(**given)


def test_paths_are_absolute_so_that_another_process_finds_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ask().config == ""
    (tmp_path / "pratique.toml").write_text("")
    assert ask().config == str(tmp_path / "pratique.toml")
    monkeypatch.setenv("PRATIQUE_CONFIG", "other.toml")
    assert ask().config == str(tmp_path / "other.toml")
    assert ask(config="mine.toml").config == str(tmp_path / "mine.toml")
    assert ask(store="data").store == str(tmp_path / "data")
    assert ask(store="s3://bucket/data").store == "s3://bucket/data"


def test_automatic_needs_nobody():
    assert isinstance(make_approver("automatic", "", (5.0, 25.0)), Given)


@pytest.mark.parametrize("approvals", ["all", ["all"], "5,25", [5, 25], ["5", "25 %"], "25% 5%"])
def test_asking_is_fine_where_all_is_approved_beforehand(approvals):
    assert isinstance(make_approver("ask", approvals, (5.0, 25.0)), Given)


@pytest.mark.parametrize(
    ("approvals", "message"),
    [
        ("", "nobody can be asked here"),
        ("5", 'approvals = "all" or "25"'),
        ("5, 50", "50 is not a stage; they are 5, 25"),
        ("yes", 'give "all", or stages'),
    ],
)
def test_asking_where_there_is_nobody_is_refused(approvals, message):
    with pytest.raises(UsageError, match=message):
        make_approver("ask", approvals, (5.0, 25.0))

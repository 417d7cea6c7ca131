"""`pratique review` and `pratique answer` as a person runs them."""

import json

import pytest

from pratique.cli import main
from pratique.ledger import open_ledger
from support.made_repository import git, repository


@pytest.fixture
def here(tmp_path, monkeypatch):
    repository(
        tmp_path,
        {
            "Makefile": "all:\n",
            ".github/workflows/a.yml": "on: push\njobs: {a: {steps: [{uses: actions/checkout@v4}, {run: pytest}]}}\n",
        },
    )
    git(tmp_path, "config", "user.name", "Ann")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def test_the_profile_comes_first_and_every_item_follows(here, capsys):
    code, out, _ = run(capsys, "review")
    lines = out.splitlines()
    assert code == 0
    assert lines[2].split() == ["Base", "Beginner", "Intermediate", "Advanced", "Expert"]
    assert lines[3].startswith("Culture & Organization")
    assert sum(line.lstrip()[:1] in "■▨▤○✕–✻" and ": " in line for line in lines if line.startswith("  ")) == 78
    assert "▨ Base         test.unit: Unit tests run. 1 step of kind test, such as 'pytest'" in out
    assert len([line for line in lines if line.strip().startswith(("1. ", "2. ", "3. ", "4. "))]) == 3


def test_json_and_file_have_the_whole_review(here, capsys):
    code, out, _ = run(capsys, "review", "--json", "--out", "review.json")
    found = json.loads(out)
    assert code == 0
    assert json.loads((here / "review.json").read_text()) == found
    assert len(found["items"]) == 78
    assert [category["id"] for category in found["categories"]] == ["culture", "design", "build", "test", "information"]
    assert found["model"]["levels"][0] == "Base"
    assert {"id", "state", "strength", "reason", "where", "evidence", "answer", "next"} <= set(found["items"][0])


def test_a_review_is_kept_and_the_next_one_tells_what_moved(here, capsys):
    run(capsys, "review")
    entry = open_ledger(here / ".pratique").entries(kind="review")[0]
    assert entry.data["items"]["test.unit"]["state"] == "met"
    assert entry.data["items"]["test.unit"]["strength"] == "declared"
    run(capsys, "answer", "culture.one-backlog", "yes", "--why", "one board")
    _, out, _ = run(capsys, "review")
    assert "▲ culture.one-backlog: unknown → met; an answer: said yes (Ann, until " in out
    assert "Findings\n  maturity/answers.toml is not committed" in out
    assert open_ledger(here / ".pratique").verify() == 2


def test_without_a_record_nothing_is_written(here, capsys):
    code, _, _ = run(capsys, "review", "--no-record")
    assert code == 0
    assert not (here / ".pratique").exists()


def test_another_model_is_used_by_option_and_by_the_service_file(here, capsys):
    _, out, _ = run(capsys, "review", "--model", "minimumcd", "--no-record")
    assert "Trunk-based Development" in out
    (here / "pratique.toml").write_text('[maturity]\nmodel = "minimumcd"\n')
    _, out, _ = run(capsys, "review", "--no-record")
    assert out.startswith("MinimumCD")


def test_a_repository_elsewhere_brings_its_service_file(here, capsys, monkeypatch, tmp_path_factory):
    (here / "pratique.toml").write_text('[maturity]\nmodel = "minimumcd"\n')
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    _, out, _ = run(capsys, "review", "--repository", str(here), "--no-record")
    assert out.startswith("MinimumCD")


def test_an_answer_is_written_with_the_name_that_git_knows(here, capsys):
    code, out, _ = run(capsys, "answer", "design.modules", "partly", "--why", "two of five", "--until", "2027-01-31")
    assert code == 0
    assert "design.modules: said partly (Ann, until 2027-01-31): two of five" in out
    assert 'who = "Ann"' in (here / "maturity/answers.toml").read_text()


def test_a_yes_that_needs_a_link_says_so(here, capsys):
    code, out, _ = run(capsys, "answer", "culture.prioritised", "yes")
    assert code == 0
    assert "the yes counts only with a link that shows it: answer again with --link" in out
    _, out, _ = run(capsys, "answer", "culture.prioritised", "yes", "--link", "https://tracker.example/7")
    assert "--link" not in out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("review --repository nowhere", 66, "folder 'nowhere' does not exist: check --repository"),
        ("review --model nowhere.toml", 66, "model 'nowhere.toml' does not exist"),
        ("review --service nope", 64, "no service 'nope': there is no service yet"),
        ("review --since 2999-01-01", 64, "is in the future"),
        (
            "answer test.unti yes",
            66,
            "no item 'test.unti' in Continuous Delivery Maturity Model: choose one of test.unit",
        ),
        ("answer test.unit maybe", 64, "'maybe' is not one of 'yes', 'no'"),
        ("answer test.unit yes --until soon", 64, "'soon' is not a day: write it as 2027-03-31"),
        ("answer test.unit yes --until 2999-01-01", 64, "for a year at most"),
        ("answer test.unit not\u00a0wanted", 64, "is not one of"),
        ("answer test.unit yes --repository /", 66, "is not a git repository"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(here, capsys, words, status, message):
    code, _, err = run(capsys, *words.split(" "))
    assert code == status
    assert message in err
    assert err.count("\n") == 1

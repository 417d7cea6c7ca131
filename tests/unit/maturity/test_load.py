"""The models that are installed are complete; another file can take their place, and a wrong one is refused in one line."""

import re
from collections import Counter

import pytest

from pratique.errors import ConfigError, MissingError
from pratique.maturity.collectors import COLLECTORS
from pratique.maturity.load import load_model
from pratique.maturity.model import Rule

OWN = """
name = "Local"
levels = ["Start", "Better"]
[[categories]]
id = "speed"
name = "Speed"
[[items]]
id = "speed.fast"
level = 1
source = "our wall"
practice = "We are fast"
next = "Be faster"
"""


def test_the_model_has_all_practices_of_its_source():
    model = load_model()
    assert Counter(item.category for item in model.items) == {
        "culture": 20,
        "design": 13,
        "build": 22,
        "test": 10,
        "information": 13,
    }
    assert len(model.items) == 78
    assert model.levels == ("Base", "Beginner", "Intermediate", "Advanced", "Expert")


def test_58_practices_have_own_evidence_and_20_are_asked():
    model = load_model()
    asked = [item for item in model.items if not item.deciding]
    assert (len(model.items) - len(asked), len(asked)) == (58, 20)
    assert all(item.ask for item in asked)
    assert all(item.question.endswith(("?", ".")) for item in model.items)


def test_every_place_in_the_source_is_used_once():
    places = [item.source for item in load_model().items]
    assert len(set(places)) == len(places)
    assert all(re.fullmatch(r"[\w &]+ / \w+ / \d", place) for place in places)


def test_every_collector_is_used_by_a_model():
    used = {
        rule.collector for name in ("model", "minimumcd") for item in load_model(name).items for rule in item.evidence
    }
    assert used == set(COLLECTORS)


def test_the_second_model_has_the_practices_of_minimumcd():
    model = load_model("minimumcd")
    assert Counter(item.category for item in model.items) == {"integration": 5, "trunk": 2, "delivery": 8}
    assert model.digest != load_model().digest


def test_a_file_takes_the_place_of_the_model(tmp_path):
    file = tmp_path / "local.toml"
    file.write_text(OWN)
    assert load_model(file).find("speed.fast").practice == "We are fast"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 1", "name: Input should be a valid string"),
        (OWN.replace("level = 1", "level = 2"), "speed.fast: level 2: there are 2 levels"),
        (OWN.replace("speed.fast", "time.fast"), "time.fast: no category 'time'"),
        (OWN + OWN[OWN.index("[[items]]") :], "speed.fast occurs twice"),
        (OWN + "superseded_by = ['speed.none']", "superseded_by names 'speed.none'"),
        (OWN + "[[items.evidence]]\ncollector = 'git.nothing'", "no collector 'git.nothing': choose one of ci.files"),
        (OWN + "[[items.evidence]]\ncollector = 'ci.steps'\nsteps = 'dance'", "no kind of steps 'dance'"),
        (
            OWN + "[[items.evidence]]\ncollector = 'git.days'\nat_least = 1\nat_most = 2",
            "at_least and at_most exclude each other",
        ),
        (OWN + "[steps]\ntest = ['(']", "is not a regular expression"),
        ("levels = [" * 5000, "not TOML"),
        ("\ud800".encode("utf-8", "surrogatepass"), "not UTF-8"),
        (b"#" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_a_wrong_model_is_refused_in_one_line(tmp_path, text, message):
    file = tmp_path / "wrong.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as raised:
        load_model(file)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_model_that_does_not_exist_names_those_that_do():
    with pytest.raises(MissingError, match="installed are model and minimumcd"):
        load_model("nope")


def test_an_unknown_item_names_those_of_its_category():
    with pytest.raises(MissingError, match=r"no item 'test.unti'.*test.unit"):
        load_model().find("test.unti")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"at_least": 0.8}, "at least 80 %"),
        ({"at_most": 2}, "at most 2"),
        ({}, "at least 1"),
        ({"at_most": 0}, "at most 0"),
    ],
)
def test_the_condition_is_written_in_words(rule, words):
    assert Rule(collector="git.days", **rule).condition == words

"""All checks together: good where all is well, never good where nothing is known, and none breaks on nonsense."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.doctor.checks.table import CHECKS
from pratique.doctor.finding import RISKS
from pratique.doctor.judge import judge
from support.host_facts import PARTS, container, look

JUNK = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.none(), max_size=2),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_all_is_well_where_nothing_is_wrong(check):
    said = judge(check, look())
    assert (said.state, said.reason) == ("good", "")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_could_not_be_read_is_never_good(check):
    said = judge(check, look(missing=dict.fromkeys(PARTS, "the engine hangs")))
    assert said.state == "not looked at"
    assert said.reason == "the engine hangs"
    assert said.score is None


@pytest.mark.parametrize("part", PARTS)
@given(junk=JUNK)
@settings(max_examples=10)
def test_nonsense_of_an_engine_stops_no_check(part, junk):
    for check in CHECKS:
        said = judge(
            check, look(**{part: junk} if part not in {"version", "info", "kernel", "outcomes"} else {part: {}})
        )
        assert said.state in {"good", "found", "not looked at"}


def test_each_check_is_complete_and_named_once():
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.risk in RISKS
        assert check.source.startswith("https://")
        assert all((check.finds, check.why, check.remedy, check.by))


@pytest.mark.parametrize("section", ["State", "HostConfig", "Config"])
def test_a_container_whose_section_is_missing_is_not_good(section):
    told = {name: value for name, value in container().items() if name != section}
    read = {"State": "restarting", "HostConfig": "privileged", "Config": "root-user"}[section]
    for check in (check for check in CHECKS if check.id == read):
        assert judge(check, look(containers=[told])).state == "not looked at"


def test_an_engine_that_leaves_out_its_registries_is_not_good():
    (check,) = (check for check in CHECKS if check.id == "insecure-registry")
    assert judge(check, look(info={"RegistryConfig": None})).state == "not looked at"

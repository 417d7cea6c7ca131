"""Some of the faults, as a test; `python tests/faults/table.py` runs all of them, in every place, and measures."""

import shutil

import pytest

from faults.catalogue import faults
from faults.harness import Trial, place
from support.docker_engine import missing

PLACES = {
    "process+embedded": "",
    "docker+haproxy": missing() or ("" if shutil.which("haproxy") else "haproxy is not installed: apt-get install haproxy")
    or ("" if shutil.which("docker-registry") else "docker-registry is not installed: apt-get install docker-registry"),
}  # fmt: skip
CHOSEN = {
    "process+embedded": ["kernel SIGKILL: conclude: begins"],
    "docker+haproxy": ["the engine is restarted: roll out"],
}
FREE = ("kernel SIGKILL",)
"""Faults that may not cost a single request."""


@pytest.mark.parametrize("name", PLACES)
def test_users_are_safe_whatever_dies(name):
    if PLACES[name]:
        pytest.skip(PLACES[name])
    with place(name) as found:
        known = {f"{fault.name}: {fault.step}": fault for fault in faults(found)}
        for number, wanted in enumerate(CHOSEN[name]):
            row = Trial(found, known[wanted], number).go()
            assert row.good, row
            assert not (row.fault in FREE and row.failed), row

"""Some faults as a test; `python tests/faults/table.py` measures all of them in every place."""

import pytest

from faults.catalogue import faults
from faults.harness import Trial, place

pytestmark = pytest.mark.server

PLACES = [
    "process+embedded",
    pytest.param("process+embedded+influxdb", marks=pytest.mark.influxdb),
    pytest.param("docker+haproxy", marks=[pytest.mark.docker, pytest.mark.haproxy, pytest.mark.registry]),
]
CHOSEN = {
    "process+embedded": ["kernel SIGKILL: conclude: begins"],
    "process+embedded+influxdb": ["InfluxDB: restarted: roll out", "InfluxDB: killed: roll out"],
    "docker+haproxy": ["the engine is restarted: roll out"],
}
FREE = ("kernel SIGKILL",)
"""Faults that must not cost a single request."""


@pytest.mark.parametrize("name", PLACES)
def test_a_fault_does_not_harm_users(name):
    with place(name) as found:
        known = {f"{fault.name}: {fault.step}": fault for fault in faults(found)}
        for number, wanted in enumerate(CHOSEN[name]):
            row = Trial(found, known[wanted], number).go()
            assert row.good, row
            assert not (row.fault in FREE and row.failed), row

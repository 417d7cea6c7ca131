"""Sums of rollups with runs on disk: the same as the sum in memory."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.telemetry import rollup_runs
from pratique.telemetry.rollup_runs import RollupRuns
from pratique.telemetry.rollups import Rollups


def rollups(seconds):
    count = len(seconds)
    events = {
        "time_ms": pa.array(np.array(seconds, np.int64) * 1000),
        **{name: pa.array([name] * count) for name in ("service", "action", "host", "source")},
        "revision": pa.array([f"r{second % 3}" for second in seconds]),
        "code": pa.array([200] * count, pa.int16()),
        "duration_ms": pa.array([1.0 + second for second in seconds]),
    }
    return Rollups.from_events(pa.table(events), window_s=10)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=st.lists(st.lists(st.integers(0, 300), max_size=40), max_size=8))
def test_sum_with_runs_is_the_sum_in_memory(tmp_path, blocks):
    expected = Rollups.empty()
    with pytest.MonkeyPatch.context() as patch:
        runs = RollupRuns(tmp_path / "runs")
        patch.setattr(rollup_runs, "MOST_IN_MEMORY", 5)
        for block in blocks:
            runs.add(rollups(block))
            expected = expected.merge(rollups(block))
        parts = list(runs.parts())
    assert Rollups(pa.concat_tables([part.table for part in parts])).table.equals(expected.table)
    assert list((tmp_path / "runs").glob("*")) == []

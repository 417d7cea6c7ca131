"""Rollups and events sent to a Prometheus-compatible server by remote write 1.0.

Requests become counters that only grow, and a classic histogram of durations. A series starts from zero when it is new or was silent for
minutes, which readers of counters take for a restart of the counting program.
"""

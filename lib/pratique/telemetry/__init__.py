"""What happened: access lines, logs, actions, latency buckets, rollups."""

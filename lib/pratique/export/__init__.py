"""What the collector's process passes on to other programs, such as Grafana: events of the ledger, and counters by remote write."""

"""A store in InfluxDB 2: the same rollups, in a bucket that other programs such as Grafana read too."""

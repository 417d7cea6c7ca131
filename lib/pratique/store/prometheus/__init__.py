"""The store that reads what services already expose, through the HTTP API of Prometheus. It is never written."""

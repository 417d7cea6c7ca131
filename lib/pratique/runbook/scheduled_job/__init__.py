"""The runbook of a job: hold it back or run it once, and record how it ended."""

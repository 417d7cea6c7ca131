"""The release runbook."""

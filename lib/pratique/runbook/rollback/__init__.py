"""The rollback runbook."""

"""The rollback runbook: an earlier release gets all of the traffic at once."""

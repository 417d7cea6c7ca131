"""What every runbook does to a service."""

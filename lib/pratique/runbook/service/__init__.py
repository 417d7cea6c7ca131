"""What any runbook does to a service: its context, session, shared steps, acceptance test, orphans and result."""

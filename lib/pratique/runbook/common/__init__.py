"""What every runbook has, whatever it works on: parameters, context, session, the step Record, and result.json."""

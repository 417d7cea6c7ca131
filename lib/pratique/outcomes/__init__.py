"""How each job, check, notification, backup, test and build ended: kept append-only for a time, for figures and maturity."""

from pratique.outcomes.model import OutcomeRecord
from pratique.outcomes.outcomes import Outcomes, open_outcomes

__all__ = ["OutcomeRecord", "Outcomes", "open_outcomes"]

"""Controls for a person who asks further in a notebook, or records an incident; where nobody can click, they are not shown."""

from pratique.widgets.explorer import explore_incident
from pratique.widgets.record import record_incident

__all__ = ["explore_incident", "record_incident"]

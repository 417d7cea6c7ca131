"""Controls for a person who asks further in a notebook, or records an incident; where nobody can click, they are not shown."""

from pratique.widgets.answer_form import answer_questions
from pratique.widgets.explorer import explore_incident
from pratique.widgets.record import record_incident

__all__ = ["answer_questions", "explore_incident", "record_incident"]

"""Controls for a person who asks further in a notebook; where nobody can click, they are not shown."""

from pratique.widgets.explorer import explore_incident

__all__ = ["explore_incident"]

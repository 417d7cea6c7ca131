"""Incident analysis: what changed, since when, where, and whose change it was."""

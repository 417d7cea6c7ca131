"""Rows of the tables of docs/explanation/incident-statistics.md, one module for each question."""

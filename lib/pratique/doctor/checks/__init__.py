"""The checks: pure functions of facts, a module for each theme, and one table of all."""

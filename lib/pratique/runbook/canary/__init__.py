"""A canary's traffic: stages, lease, health, analysis, approval."""

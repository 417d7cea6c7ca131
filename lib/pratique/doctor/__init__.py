"""Examine the hosts that run containers: what is wrong, why it matters, and the command that mends it."""

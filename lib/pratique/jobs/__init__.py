"""Scheduled jobs: a command that runs at its times beside a service, and what is known about its runs."""

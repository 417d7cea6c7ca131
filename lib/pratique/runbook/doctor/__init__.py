"""The runbook that examines hosts: it changes nothing on them, and records what it found."""

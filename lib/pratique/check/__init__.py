"""`pratique check`: check everything that a service file refers to, before anything runs."""

from pratique.check.finding import Check, Finding
from pratique.check.service_file import checks_of

__all__ = ["Check", "Finding", "checks_of"]

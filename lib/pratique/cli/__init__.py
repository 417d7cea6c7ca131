"""The command line: one module for each group of commands, each command a thin call into the packages."""

from pratique.cli.app import main, pratique

__all__ = ["main", "pratique"]

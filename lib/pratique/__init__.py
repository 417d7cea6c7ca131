"""Pratique: put a new revision in front of a little traffic and say, with evidence, whether it may enter."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pratique")
except PackageNotFoundError:
    __version__ = "0+uninstalled"

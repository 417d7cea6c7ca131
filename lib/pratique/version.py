"""The version of the installed package. It is read on first use: importlib.metadata is slow to load."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pratique")
except PackageNotFoundError:
    __version__ = "0+uninstalled"

"""The demo of an incident in a folder, written once for all tests of a process."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from pratique.demo.incident import write_demo


@cache
def demo_file():
    """The service file of the demo; its folder is only read."""
    return write_demo(Path(mkdtemp(prefix="pratique-demo-")) / "demo")

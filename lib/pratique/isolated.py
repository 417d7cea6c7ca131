"""Start a module of this package in a new process that loads nothing from its working folder.

    python -I isolated.py PATH MODULE ARGUMENTS…

`python -m` puts the working folder first on the path: a file `queue.py` in a user's project would replace the standard
library's. `-I` alone leaves out PYTHONPATH and the user's own packages as well, and Pratique may be installed there. So the
starter hands its own path over, without the working folder; it comes after the standard library and installed packages.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path


def isolated_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module as `python -m` does, without the working folder on its path."""
    here = os.path.realpath(os.curdir)
    kept = [entry for entry in sys.path if Path(entry).is_absolute() and os.path.realpath(entry) != here]
    path = dict.fromkeys([*kept, str(Path(__file__).parents[1])])
    return [sys.executable, "-I", __file__, os.pathsep.join(path), module, *arguments]


def main() -> None:
    """Run the module that the arguments name."""
    path, module = sys.argv[1:3]
    sys.path += [entry for entry in path.split(os.pathsep) if entry not in sys.path]
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

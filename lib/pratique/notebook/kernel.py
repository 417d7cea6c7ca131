"""The kernel that a notebook runs in: this interpreter, reached through socket files instead of ports. Slow to import."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from pratique.isolated import isolated_command

KERNEL_LOG = "kernel.log"
# once the kernel has started: on its way it tries to import modules that need not be installed, such as orjson
_WORKING_FOLDER_LAST = ("--IPKernelApp.ignore_cwd=True", "--IPKernelApp.exec_lines=import sys; sys.path.append('')")


class LocalKernel(AsyncKernelManager):  # type: ignore[misc] # jupyter_client's types are not followed
    """A kernel with its own socket files, run by the current interpreter.

    jupyter_client picks a free port first and binds it later: kernels that start together can pick the same port,
    and one of them dies. Socket files in its own folder avoid that. The interpreter is the current one, whatever
    kernelspecs the user has installed.
    """

    folder: ClassVar[str]
    env: ClassVar[dict[str, str]]
    made: ClassVar[list[LocalKernel]]

    def __init__(self, **traits: Any) -> None:
        folder = Path(self.folder)
        options = {
            "transport": "ipc",
            "ip": str(folder / "k"),
            "connection_file": str(folder / "kernel.json"),
            # with no folder to search, only the kernel of this interpreter is left
            "kernel_spec_manager": KernelSpecManager(kernel_dirs=[]),
            "kernel_name": NATIVE_KERNEL_NAME,
        }
        super().__init__(**{**traits, **options})
        self.made.append(self)

    async def _async_start_kernel(self, **options: Any) -> None:
        # the kernel's own messages, such as that it was interrupted, do not belong in the user's terminal
        with (Path(self.folder) / KERNEL_LOG).open("ab") as log:
            streams = {"env": {**os.environ, **self.env}, "stdout": log, "stderr": log}
            await super()._async_start_kernel(**{**options, **streams})

    start_kernel = _async_start_kernel

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the command of the kernel. A file beside the notebook can be imported, and hides no installed module."""
        arguments = ["-f", self.connection_file, *_WORKING_FOLDER_LAST, *(extra_arguments or [])]
        return isolated_command("ipykernel_launcher", *arguments)

    def pass_on(self, number: int) -> None:
        """Send a signal to the kernel at once; called from a signal handler, which cannot await."""
        process = getattr(self.provisioner, "process", None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.Signals(number))


def kernel_class(folder: str, env: dict[str, str]) -> type[LocalKernel]:
    """Return a class of kernels with their sockets in `folder` and `env` added to their environment.

    nbclient takes a class and makes the kernel itself; `made` lists the kernels that it made.
    """
    return type("Kernel", (LocalKernel,), {"folder": folder, "env": env, "made": []})


def last_log_line(folder: str) -> str:
    """Return the last line that the kernel in `folder` wrote to its log, or "no output"."""
    lines = (Path(folder) / KERNEL_LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "no output")

"""The kernel that a notebook runs in: of this interpreter, reached by files and not by ports. Loads slowly."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

SAID = "kernel.log"


class LocalKernel(AsyncKernelManager):  # type: ignore[misc] # jupyter_client's types are not followed
    """A kernel that no other can be confused with.

    Its channels are sockets in a folder of its own: a free port that is looked for first and bound
    later can be gone by then, which is how kernels that start together die. Its interpreter is the one
    that runs now, whatever kernelspecs the user has installed.
    """

    folder: ClassVar[str]
    env: ClassVar[dict[str, str]]
    made: ClassVar[list[LocalKernel]]

    def __init__(self, **traits: Any) -> None:
        folder = Path(self.folder)
        own = {
            "transport": "ipc",
            "ip": str(folder / "k"),
            "connection_file": str(folder / "kernel.json"),
            # without folders to look in, what is left is the kernel of this interpreter
            "kernel_spec_manager": KernelSpecManager(kernel_dirs=[]),
            "kernel_name": NATIVE_KERNEL_NAME,
        }
        super().__init__(**{**traits, **own})
        self.made.append(self)

    async def _async_start_kernel(self, **options: Any) -> None:
        # what the kernel itself says, such as that it was interrupted, is not for the user's terminal
        with (Path(self.folder) / SAID).open("ab") as said:
            own = {"env": {**os.environ, **self.env}, "stdout": said, "stderr": said}
            await super()._async_start_kernel(**{**options, **own})

    start_kernel = _async_start_kernel

    def pass_on(self, number: int) -> None:
        """Pass a signal on at once, from a signal handler, where nothing can be awaited."""
        process = getattr(self.provisioner, "process", None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.Signals(number))


def kernel_class(folder: str, env: dict[str, str]) -> type[LocalKernel]:
    """A class of kernels with their sockets in `folder` and `env` added to their environment.

    nbclient makes the kernel itself, from a class; `made` holds what it made.
    """
    return type("Kernel", (LocalKernel,), {"folder": folder, "env": env, "made": []})


def last_words(folder: str) -> str:
    """The last line that a kernel in `folder` said of itself, outside of the notebook."""
    lines = (Path(folder) / SAID).read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")

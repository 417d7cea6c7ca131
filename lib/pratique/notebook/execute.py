"""Run a notebook by papermill: parameters checked first, errors as they were raised, the notebook always kept."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.errors import DeniedError, PratiqueError, StorageError, UnavailableError
from pratique.notebook.notebooks import find_notebook, read_notebook
from pratique.notebook.parameters import check_parameters

if TYPE_CHECKING:
    from pratique.notebook.kernel import LocalKernel

Progress = Callable[[str], None]
LONGEST = 70
"""A socket's path may have 107 bytes: where the temporary folder's is longer than this, the rest does not fit."""


def run_notebook(
    name_or_path: str | Path,
    parameters: Mapping[str, Any],
    output: str | Path,
    *,
    progress: Progress | None = None,
    env: Mapping[str, str] | None = None,
) -> Path:
    """Run a notebook in a kernel of its own; return where it is kept with its outputs, also when it failed.

    parameters: by name; text is read as the parameter's type. progress: called with each line that the
    notebook prints, as it comes. env: added to the kernel's environment.
    SIGINT and SIGTERM go on to the kernel, so that the running cell can undo what it did; then no other
    cell is run, and KeyboardInterrupt is raised.
    Raises: UsageError for parameters, before a kernel starts; any PratiqueError that a cell raised, as it
        was; PratiqueError for any other error in a cell; DeniedError, StorageError; UnavailableError when
        no kernel starts.
    """
    source = find_notebook(name_or_path)
    values = check_parameters(source, parameters)
    read_notebook(source)
    kept = Path(output).absolute()
    part = kept.with_name(f"{kept.stem}.running-{os.getpid()}.ipynb")
    with storage(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.gettempdir() if len(tempfile.gettempdir()) <= LONGEST else "/tmp"  # noqa: S108 - a new folder in it
    with tempfile.TemporaryDirectory(prefix="pratique-", dir=folder, ignore_cleanup_errors=True) as sockets:
        try:
            _execute(source, values, (part, kept), sockets, progress, dict(env or {}))
        finally:
            if part.exists():
                part.replace(kept)
    return kept


def _execute(
    source: Path,
    values: dict[str, Any],
    paths: tuple[Path, Path],
    sockets: str,
    progress: Progress | None,
    env: dict[str, str],
) -> None:
    from nbclient.exceptions import DeadKernelError  # noqa: PLC0415 - slow
    from papermill import PapermillExecutionError, execute_notebook  # noqa: PLC0415 - slow

    from pratique.notebook.kernel import kernel_class, last_words  # noqa: PLC0415 - slow

    part, kept = paths
    kernels = kernel_class(sockets, env)
    lines = _Lines(progress)
    with _signals(kernels.made) as stop, storage(kept):
        try:
            _in_own_loop(
                execute_notebook,
                _verbatim(source),
                _verbatim(part),
                values,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                stdout_file=lines,
                stderr_file=lines,
                kernel_manager_class=kernels,
                on_cell_start=stop,
            )
        except PapermillExecutionError as error:
            raise _as_raised(error, source, kept) from error
        except DeadKernelError as error:
            stop()
            raise PratiqueError(
                f"the kernel of {source.stem} died ({last_words(sockets)}), perhaps for want of memory: "
                f"what it had done is in {kept}"
            ) from error
        except RuntimeError as error:
            stop()
            raise UnavailableError(
                f"no kernel started for {source.stem}: {error} ({last_words(sockets)}): is ipykernel installed?"
            ) from error
        finally:
            lines.end()
        stop()


def _in_own_loop(call: Callable[..., Any], *given: Any, **named: Any) -> None:
    """Call what makes an event loop when none runs, and close that loop: jupyter_core leaves one open per thread."""
    from jupyter_core.utils import ensure_event_loop  # noqa: PLC0415 - slow

    def close_after() -> None:
        loop = ensure_event_loop()
        try:
            call(*given, **named)
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # in a context of its own, so that no loop that somebody else made is taken, and closed
        Context().run(close_after)
    else:
        call(*given, **named)


def _verbatim(path: Path) -> str:
    # papermill fills braces in paths in
    return str(path).replace("{", "{{").replace("}", "}}")


def _as_raised(error: Any, source: Path, kept: Path) -> BaseException:
    known = {kind.__name__: kind for kind in _family(PratiqueError)}
    if error.ename in known:
        return known[error.ename](error.evalue)
    if error.ename in ("KeyboardInterrupt", "Interrupted"):
        return KeyboardInterrupt()
    told = " ".join(f"{error.ename}: {error.evalue}".split())[:300]
    return PratiqueError(f"{source.stem} failed in its cell {error.exec_count}: {told}: look into {kept}")


def _family(kind: type[PratiqueError]) -> Iterator[type[PratiqueError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Say of a path that it cannot be written, and why, in place of the system's error."""
    try:
        yield
    except PermissionError as error:
        raise DeniedError(f"{str(path)!r} cannot be written: {error.strerror}: check the folder's rights") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room and run it again" if full else "check the path"
        raise StorageError(f"{str(path)!r} cannot be written: {error.strerror or error}: {hint}") from error


@contextmanager
def _signals(kernels: list[LocalKernel]) -> Iterator[Callable[..., None]]:
    """Pass SIGINT and SIGTERM on to the kernel; give a function that raises once one of them has come."""
    got: list[int] = []

    def take(number: int, _frame: Any) -> None:
        got.append(number)
        for kernel in kernels:
            kernel.pass_on(number)

    def stop(*_: Any, **__: Any) -> None:
        if got:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines:
    """A file that passes each whole line on."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._rest = ""

    def write(self, text: str) -> None:
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole if self._progress else ():
            self._progress(line)  # type: ignore[misc] # not None here

    def flush(self) -> None:
        """Nothing is held back but the last line's beginning."""

    def end(self) -> None:
        if self._rest:
            self.write("\n")

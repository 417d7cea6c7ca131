"""Run a notebook with papermill: check parameters first, always keep the executed notebook, re-raise errors as raised."""

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

from pratique.errors import DeniedError, Interrupted, PratiqueError, StorageError, UnavailableError
from pratique.notebook.executed import ended_early, write_valid_json
from pratique.notebook.find import find_notebook, read_notebook
from pratique.notebook.parameters import check_parameters
from pratique.notebook.published import require_published
from pratique.notebook.quick_import import without_iri_parsers

if TYPE_CHECKING:
    from pratique.notebook.kernel import LocalKernel

Progress = Callable[[str], None]
MAX_FOLDER_LENGTH = 70
"""A socket path has at most 107 bytes: below a longer temporary folder the rest of the path would not fit."""


def run_notebook(
    name_or_path: str | Path,
    parameters: Mapping[str, Any],
    output: str | Path,
    *,
    progress: Progress | None = None,
    env: Mapping[str, str] | None = None,
) -> Path:
    """Run a notebook in its own kernel and return the path of the executed notebook, which is kept on failure too.

    SIGINT and SIGTERM are passed to the kernel: the running cell undoes its work, no further cell runs, and
    KeyboardInterrupt is raised: for SIGTERM its subclass Interrupted.

    name_or_path: a name such as "release", or a path that ends in .ipynb. parameters: values by name; text is
    converted to the parameter's type. output: path of the executed notebook. progress: called with each line that the
    notebook prints. env: added to the environment of the kernel.
    Raises: UsageError for a wrong parameter, DataError for a name whose notebook was edited, before a kernel starts; the PratiqueError that a cell raised;
        PratiqueError for any other error in a cell; DeniedError and StorageError when the output cannot be written;
        UnavailableError when no kernel starts.
    """
    source = find_notebook(name_or_path)
    require_published(str(name_or_path))
    values = check_parameters(source, parameters)
    read_notebook(source)
    kept = Path(output).absolute()
    part = kept.with_name(f"{kept.stem}.running-{os.getpid()}.ipynb")
    with storage_errors(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.gettempdir() if len(tempfile.gettempdir()) <= MAX_FOLDER_LENGTH else "/tmp"  # noqa: S108 - a new folder in it
    with tempfile.TemporaryDirectory(prefix="pratique-", dir=folder, ignore_cleanup_errors=True) as sockets:
        try:
            _execute(source, values, (part, kept), sockets, progress, dict(env or {}))
        finally:
            if part.exists():
                write_valid_json(part)
                part.replace(kept)
    ended = ended_early(read_notebook(kept))
    if ended and progress:
        progress(f"{source.stem} ended itself in cell {ended} with exit(): the cells after it did not run")
    return kept


def _execute(
    source: Path,
    values: dict[str, Any],
    paths: tuple[Path, Path],
    sockets: str,
    progress: Progress | None,
    env: dict[str, str],
) -> None:
    with without_iri_parsers():
        from nbclient.exceptions import DeadKernelError  # noqa: PLC0415 - slow
        from papermill import PapermillExecutionError, execute_notebook  # noqa: PLC0415 - slow

    from pratique.notebook.kernel import kernel_class, last_log_line  # noqa: PLC0415 - slow

    part, kept = paths
    kernels = kernel_class(sockets, env)
    lines = _Lines(progress)
    with _signals(kernels.made) as stop, storage_errors(kept):
        try:
            _in_own_loop(
                execute_notebook,
                verbatim(source),
                verbatim(part),
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
                f"the kernel of {source.stem} died ({last_log_line(sockets)}), possibly out of memory: "
                f"see the cells that it completed in {kept}"
            ) from error
        except RuntimeError as error:
            stop()
            raise UnavailableError(
                f"no kernel started for {source.stem}: {error} ({last_log_line(sockets)}): is ipykernel installed?"
            ) from error
        finally:
            lines.end()
        stop()


def _in_own_loop(call: Callable[..., Any], *given: Any, **named: Any) -> None:
    """Call a function that makes an event loop when none is running, then close that loop: jupyter_core leaves it open."""
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
        # its own context: a loop that the caller made must be neither used nor closed
        Context().run(close_after)
    else:
        call(*given, **named)


def verbatim(path: Path) -> str:
    """Return a path as papermill takes it without replacing anything in it."""
    # papermill replaces {names} in paths
    return str(path).replace("{", "{{").replace("}", "}}")


def _as_raised(error: Any, source: Path, kept: Path) -> BaseException:
    known = {kind.__name__: kind for kind in _family(PratiqueError)}
    if error.ename in known:
        return known[error.ename](error.evalue)
    if error.ename in ("KeyboardInterrupt", "Interrupted"):
        return Interrupted() if error.ename == "Interrupted" else KeyboardInterrupt()
    message = " ".join(f"{error.ename}: {error.evalue}".split())[:300]
    return PratiqueError(f"{source.stem} failed in cell {error.exec_count}: {message}: see {kept}")


def _family(kind: type[PratiqueError]) -> Iterator[type[PratiqueError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Replace an OSError by a DeniedError or StorageError that names the path and the reason."""
    try:
        yield
    except PermissionError as error:
        raise DeniedError(
            f"cannot write {str(path)!r}: {error.strerror}: check the permissions of its folder"
        ) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some disk space and run it again" if full else "check the path"
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}: {hint}") from error


@contextmanager
def _signals(kernels: list[LocalKernel]) -> Iterator[Callable[..., None]]:
    """Pass SIGINT and SIGTERM to the kernel; yield a function that raises KeyboardInterrupt or Interrupted after one."""
    received: list[int] = []

    def pass_on(number: int, _frame: Any) -> None:
        received.append(number)
        for kernel in kernels:
            kernel.pass_on(number)

    def stop(*_: Any, **__: Any) -> None:
        if received:
            raise Interrupted if received[0] == signal.SIGTERM else KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines:
    """A file that passes each complete line to `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._rest = ""

    def write(self, text: str) -> None:
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole if self._progress else ():
            self._progress(line)  # type: ignore[misc] # not None here

    def flush(self) -> None:
        """Do nothing: only an incomplete last line is held back."""

    def end(self) -> None:
        if self._rest:
            self.write("\n")

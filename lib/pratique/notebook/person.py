"""Whether a person sits before a notebook that runs, or a program runs it."""

from __future__ import annotations


def person_is_here() -> bool:
    """Return whether the frontend of this kernel has a person: it allows requests for input; papermill and nbclient do not."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only a notebook has it loaded

    kernel = getattr(get_ipython(), "kernel", None)
    return kernel is not None and bool(kernel.get_parent().get("content", {}).get("allow_stdin"))

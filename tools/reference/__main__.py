"""Write docs/reference and the digests of the published notebooks.

python -m tools.reference            write the pages that differ, and list them
python -m tools.reference --check    only list them; exit status 1 when there is one
"""

from __future__ import annotations

import sys
from pathlib import Path

from pratique.notebook.published import FILE, published_text
from tools.reference import (
    cli,
    configuration,
    difference,
    doctor,
    exit_status,
    files,
    history,
    incident,
    metrics,
    python_api,
    review,
    verdict,
)

FOLDER = Path(__file__).parents[2] / "docs/reference"
NOTICE = "<!-- This page is generated: change the code, then run `make docs-reference`. -->\n\n"
PAGES = {
    "cli.md": cli.page,
    "configuration.md": configuration.page,
    "python-api.md": python_api.page,
    "verdict-json.md": verdict.page,
    "incident-json.md": incident.page,
    "history-json.md": history.page,
    "review-json.md": review.page,
    "diff-json.md": difference.page,
    "exit-status.md": exit_status.page,
    "files-on-disk.md": files.page,
    "metrics.md": metrics.page,
    "doctor-checks.md": doctor.page,
}


def written(name: str) -> str:
    """The text that a page must have."""
    return NOTICE + PAGES[name]().strip() + "\n"


def outdated() -> list[str]:
    """The names of the pages that differ from the code."""
    return [name for name in PAGES if not (FOLDER / name).exists() or (FOLDER / name).read_text() != written(name)]


def main() -> int:
    """Write or check."""
    check = "--check" in sys.argv[1:]
    found = [f"docs/reference/{name}" for name in outdated()]
    if not FILE.exists() or FILE.read_text(encoding="utf-8") != published_text():
        found.append(str(FILE))
    if not check:
        FILE.write_text(published_text(), encoding="utf-8")
        for name in outdated():
            (FOLDER / name).write_text(written(name), encoding="utf-8")
    for name in found:
        print(f"{name} {'differs from the code: run make docs-reference' if check else 'written'}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())

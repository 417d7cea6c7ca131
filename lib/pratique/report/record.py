"""The entry in the ledger that says that a page was written, whoever wrote it: a person, a schedule or a pipeline.

The maturity review counts these entries. A release run records its own report, with its run.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from pratique.errors import PratiqueError
from pratique.report.written_page import ReportPaths

if TYPE_CHECKING:
    from pratique.config import Config

KIND = "report"


def record_page(
    config: Config, notebook: str, paths: ReportPaths, service: str, *, revision: str | None = None
) -> None:
    """Write the entry. Without a ledger, nothing is written; a ledger that cannot be written is reported, and the page stays.

    notebook: that made the page. revision: that it is about, if it is about one.
    """
    from pratique.ledger import open_ledger  # noqa: PLC0415 - sqlite

    ledger = open_ledger(config.state_dir)
    if not ledger.path.exists():
        return
    digest = sha256(paths.html.read_bytes()).hexdigest()
    data = {"html": str(paths.html), "json": str(paths.json), "sha256": digest, "notebook": notebook}
    try:
        ledger.append(KIND, service, revision=revision, data=data)
    except PratiqueError as error:
        print(f"the page is written, but not recorded in the ledger: {error}")  # noqa: T201 - shown below the cell

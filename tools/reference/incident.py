"""The page of an incident's JSON, from the classes of the analysis."""

from __future__ import annotations

from pratique.incident import model
from tools.reference.json_keys import keys_of_class

TEXT = """# Incident JSON

`pratique incident --json` prints one JSON object; `--out` and the notebook write the same object beside the page. In Python it is
`Incident.to_json()`. With `--all` it is an object with `alpha` and `incidents`, an array of such objects. Times are ISO 8601 in UTC with a `Z`.

`exit_status` is the status that the command exits with: see [Exit status](exit-status.md). How to read the answer: [Find what broke, and
when](../how-to/incident.md)."""
KINDS = (
    ("The incident", model.Incident),
    ("onset", model.Onset),
    ("A span: started, ended", model.Span),
    ("places", model.Places),
    ("One of places.found", model.Place),
    ("One of suspects", model.Suspect),
    ("change", model.Change),
    ("One of unaffected", model.Unaffected),
)


def page() -> str:
    """The whole page."""
    parts = [TEXT]
    for title, kind in KINDS:
        parts += [f"## {title}", keys_of_class(kind)]
    return "\n\n".join(part.strip() for part in parts)

"""The page of a history's JSON, from the classes of the delivery metrics."""

from __future__ import annotations

from pratique.delivery import canaries, commits, deployments, exposure, history, intervals, metrics
from pratique.ledger.incidents import IncidentRecord
from tools.reference.json_keys import keys_of_class

TEXT = """# History JSON

`pratique history --json` prints an array with one JSON object for each service; `--out` and the notebook write the same array beside the page. In Python
it is `History.to_json()`. With `--by week` or `--by month` each object also has `series`, an array of metrics, oldest first. Times are ISO 8601 in UTC
with a `Z`. A share is an object that has its `share`, too: a number from 0 to 1, or `null` for 0 of 0.

How each metric is defined: [Delivery metrics](../explanation/delivery-metrics.md)."""
KINDS = (
    ("The history", history.History),
    ("metrics, before, and one of series", history.Metrics),
    ("asked, period", metrics.Period),
    ("frequency", metrics.Frequency),
    ("lead_time", metrics.LeadTime),
    ("fail_rate", metrics.FailRate),
    ("recovery", metrics.Recovery),
    ("canaries", canaries.Canaries),
    ("One of exposure", exposure.Exposure),
    ("after, and one of escapes", exposure.AfterPromotion),
    ("share, at_most, rework, caught", metrics.Share),
    ("interval", intervals.Interval),
    ("survival, with_waiting, to_verdict", intervals.Survival),
    ("One of failures", metrics.Failure),
    ("record", deployments.Record),
    ("deployment, and one of deployments or redeployments", deployments.Deployment),
    ("One of returns", deployments.Return),
    ("One of trials, stopped", deployments.Trial),
    ("commits", commits.CommitRecord),
    ("One of delivered", commits.Delivered),
    ("One of incidents", IncidentRecord),
)


def page() -> str:
    """The whole page."""
    parts = [TEXT]
    for title, kind in KINDS:
        parts += [f"## {title}", keys_of_class(kind)]
    return "\n\n".join(part.strip() for part in parts)

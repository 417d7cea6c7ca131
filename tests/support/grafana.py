"""What Grafana makes of a dashboard's queries: variables and macros filled in as its data sources for Prometheus and Flux do."""

import csv
import io
import json
import re
from datetime import UTC
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples" / "suite" / "grafana"
NAME = re.compile(r"\$\{(\w+)\}|\$(\w+)")
FLUX_MACRO = re.compile(r"\bv\.(timeRangeStart|timeRangeStop|windowPeriod|defaultBucket|bucket|organization)\b")


class Dashboard:
    """A dashboard of the suite."""

    def __init__(self, name):
        self.content = json.loads((FOLDER / f"{name}.json").read_text())
        self.variables = {one["name"]: _default(one) for one in self.content["templating"]["list"]}
        self.annotations = {one["name"]: one for one in self.content["annotations"]["list"]}
        self.panels = {panel["title"]: panel for panel in self.content["panels"]}

    def target(self, title):
        """The only query of a panel, as it stands in the dashboard."""
        (target,) = self.panels[title]["targets"]
        return target.get("expr") or target["query"]

    def texts(self):
        """Every query of the dashboard, as it stands there."""
        yield from map(self.target, self.panels)
        for one in self.annotations.values():
            yield one.get("expr") or one["target"]["query"]
        for one in self.content["templating"]["list"]:
            yield one["query"] if one["type"] == "query" else ""

    def names(self):
        """The names of the variables that the queries use."""
        return {found[1] or found[2] for text in self.texts() for found in NAME.finditer(text)}

    def filled_in(self, text, **values):
        """A query with the defaults of the dashboard's variables, or with other values."""
        known = self.variables | values
        return NAME.sub(lambda found: known[found[1] or found[2]], text)


def flux(text, *, start, stop, bucket, interval="60s"):
    """A query as Grafana's data source for Flux sends it. start, stop: UTC."""
    macros = {
        "timeRangeStart": _literal(start),
        "timeRangeStop": _literal(stop),
        "windowPeriod": interval,
        "defaultBucket": json.dumps(bucket),
        "bucket": json.dumps(bucket),
        "organization": json.dumps("tests"),
    }
    return FLUX_MACRO.sub(lambda found: macros[found[1]], text)


def flux_rows(client, text):
    """The rows of an answer, with the values as texts."""
    with client.query(text, {}) as pieces:
        answer = b"".join(pieces).decode()
    tables = answer.replace("\r\n", "\n").split("\n\n")
    return [row for table in tables if table.strip() for row in csv.DictReader(io.StringIO(table))]


def _default(variable):
    return variable.get("current", {}).get("value") or variable.get("query", "")


def _literal(time):
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""Look at services again and again, and write one page for each incident, not one for each look."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.clock import stamp, utc_now, utc_of
from pratique.files import locked, replace_file
from pratique.incident.time_range import RANGE
from pratique.kept_json import read_kept
from pratique.notebook.execute import storage_errors
from pratique.report.incident import investigate_stored
from pratique.report.incident_page import write_incident

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.incident.model import Incident, Onset
    from pratique.report.incident_question import IncidentQuestion

FILE = "incidents/watch.json"
GRACE = timedelta(minutes=10)
"""With more data the set of possible starts moves a little: this far apart it is still the same incident."""
LONGEST_GAP = timedelta(hours=6)
"""An incident that had not ended at a look is taken for going on at the next one, if that begins at most so much later."""


@dataclass(frozen=True)
class SeenIncident:
    """The result of the last look. Times: ISO 8601.

    first, last: ends of the set of starts, over all looks; start: of the page's range; until: where the incident ended, or the
    range of the last look.
    """

    first: str
    last: str
    start: str
    answer: str
    ended: bool
    page: str
    until: str = ""


@dataclass(frozen=True)
class Look:
    """What one look at a service found. page: where its page is, None where nothing is shown. written: whether it was written now."""

    incident: Incident
    page: Path | None = None
    written: bool = False


def look(config: Config, question: IncidentQuestion, *, out_dir: Path | None = None) -> Look:
    """Analyse a service; write its page when an incident is new, or when its answer has changed or it has ended.

    The page of an incident has the same name at each look, and the notebook is run with the parameters filled in.
    Data that ended two hours ago says nothing about now: without an end in the question, the answer is "cannot tell" where nothing is shown.

    question: without a start, the last two hours. out_dir: default reports/ in the state folder.
    Raises: the errors of `open_incident`; DeniedError, StorageError.
    """
    config.make_state_folder()
    incident = investigate_stored(config, question).incident
    oldest = utc_now() - RANGE - timedelta(seconds=config.telemetry.late_s)
    if question.end is None and incident.answer == "nothing shown" and incident.end <= oldest:
        incident = _silent(incident)
    path, key = config.state_dir / FILE, f"{incident.service} {incident.outcome}"
    before = seen_incidents(path).get(key)
    if incident.onset is None:
        if before is not None and not before.ended and incident.answer == "nothing shown":
            _keep(path, key, replace(before, ended=True))
        return Look(incident)
    now = _seen(incident, incident.onset)
    if before is not None and _same(before, incident, incident.onset):
        now = _continued(before, now)
        if (before.answer, before.ended) == (now.answer, now.ended) and Path(before.page).is_file():
            _keep(path, key, now)
            return Look(incident, Path(before.page))
    asked = replace(question, service=incident.service, start=utc_of(now.start))
    page = write_incident(config, asked, out_dir=out_dir).html
    _keep(path, key, replace(now, page=str(page)))
    return Look(incident, page, written=True)


def seen_incidents(path: Path) -> dict[str, SeenIncident]:
    """Return the incidents of earlier looks by service and outcome; none where the file is missing or damaged, or a time is none."""
    with suppress(OSError, ValueError):
        return {key: seen for key, seen in read_kept(path, dict[str, SeenIncident]).items() if _is_readable(seen)}
    return {}


def _is_readable(seen: SeenIncident) -> bool:
    with suppress(ValueError):
        return bool([utc_of(text) for text in (seen.first, seen.last, seen.start, seen.until or seen.last)])
    return False


def _silent(incident: Incident) -> Incident:
    since = f"{incident.end:%Y-%m-%d %H:%M} UTC"
    return replace(
        incident,
        answer="cannot tell",
        sentence=f"The last lines are of {since}: no lines is not no errors; check the service and its collector.",
    )


def _seen(incident: Incident, onset: Onset) -> SeenIncident:
    first, last = stamp(onset.started.first), stamp(onset.started.last)
    until = stamp(onset.ended.last if onset.ended else incident.end)
    return SeenIncident(first, last, stamp(incident.start), incident.answer, onset.ended is not None, "", until)


def _continued(before: SeenIncident, now: SeenIncident) -> SeenIncident:
    last = max(before.last, now.last, key=utc_of)
    return replace(now, first=before.first, last=last, start=before.start, page=before.page)


def _same(seen: SeenIncident, incident: Incident, onset: Onset) -> bool:
    first, last, until = (utc_of(text) for text in (seen.first, seen.last, seen.until or seen.last))
    if onset.started.first <= last + GRACE and onset.started.last >= first - GRACE:
        return True
    # one that is older than the range seems to start with the range
    known_until = until if seen.ended else until + LONGEST_GAP
    return onset.started.first == incident.start and first <= incident.start <= known_until


def _keep(path: Path, key: str, one: SeenIncident) -> None:
    """Keep one incident beside those that other processes have seen meanwhile."""
    with storage_errors(path), locked(path):
        seen = {**seen_incidents(path), key: one}
        replace_file(path, json.dumps({name: asdict(value) for name, value in seen.items()}, indent=1))

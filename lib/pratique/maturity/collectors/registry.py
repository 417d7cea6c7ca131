"""Whether released content is still there, and still the same: the digests of the ledger beside those of the registry now."""

from __future__ import annotations

from pratique.errors import MissingError, PratiqueError
from pratique.ledger.history import ReleaseRecord
from pratique.maturity.collectors.records import link
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources


def _digests(sources: Sources, rule: Rule) -> tuple[list[tuple[ReleaseRecord, str]], str]:
    """The latest promoted releases, each with its digest now, "" when it is gone; and why the others are unknown."""
    found, problem = [], ""
    for record in sources.deployments(rule.days, rule.last):
        try:
            found.append((record, sources.digest_of(record.service, record.revision) if sources.digest_of else ""))
        except MissingError:
            found.append((record, ""))
        except PratiqueError as error:
            # one that does not answer would take as long for each
            problem = str(error)
            break
    return found, problem


@collector("registry.kept", "ledger", "registry")
def kept(sources: Sources, rule: Rule) -> Evidence:
    """The share of the latest promoted releases that are still there: that is how far back a rollback reaches."""
    found, problem = _digests(sources, rule)
    if problem:
        return unknown(problem)
    gone = [record for record, digest in found if not digest]
    names = f"; missing: {', '.join(f'{one.service} {one.revision}' for one in gone[:3])}" if gone else ""
    return share(
        rule,
        len(found) - len(gone),
        len(found),
        f"latest promoted releases still exist{names}",
        [link(sources, one) for one in gone],
    )


@collector("ledger.bindings", "ledger", "registry")
def bindings(sources: Sources, rule: Rule) -> Evidence:
    """The share of the latest promoted releases whose digest now is the one that they were bound to."""
    found, problem = _digests(sources, rule)
    if problem:
        return unknown(problem)
    bound = {
        (entry.service, entry.revision): str(entry.data.get("digest") or "") for entry in sources.entries_of("bind")
    }
    there = [(record, digest) for record, digest in found if digest]
    same = [
        record for record, digest in there if digest == (bound.get((record.service, record.revision)) or record.digest)
    ]
    moved = [record for record, _ in there if record not in same]
    names = f": not {', '.join(f'{one.service} {one.revision}' for one in moved[:3])}" if moved else ""
    return share(
        rule,
        len(same),
        len(there),
        f"latest promoted releases have the digest that they were bound to{names}",
        [link(sources, one) for one in moved or same],
    )

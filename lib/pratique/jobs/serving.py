"""Which revision a job runs: the one that serves its service now, as it was released."""

from __future__ import annotations

from pratique.balancer import open_balancer
from pratique.config import Target, check_name
from pratique.errors import PratiqueError, UnavailableError
from pratique.ledger import open_ledger
from pratique.ledger.serving_periods import serving_periods
from pratique.release import Release
from pratique.release.bound import bound_release


def serving_release(target: Target, revision: str = "") -> Release:
    """Return the release of the revision that serves, or of a given one, with the configuration it was released with.

    While a canary is on trial, the revision that served before serves.
    Raises: UnavailableError (none serves), MissingError, DataError (its content or configuration has changed).
    """
    chosen = check_name("revision", revision) if revision else serving_revision(target)
    ledger = open_ledger(target.state_dir)
    return bound_release(target, chosen, ledger.binding(target.service, chosen))


def serving_revision(target: Target) -> str:
    """Return the revision that serves. Raises: UnavailableError when none does."""
    periods = serving_periods(open_ledger(target.state_dir).entries(target.service))
    recorded = periods[-1].revision if periods else ""
    try:
        shares = open_balancer(target).weights(target.service).shares
    except PratiqueError as error:
        if recorded:
            return recorded  # a job does not need the balancer
        raise UnavailableError(f"which revision of {target.service} serves is not known: {error}") from error
    receiving = {name: share for name, share in shares.items() if share > 0}
    if not receiving or receiving.get(recorded):
        if not recorded:
            raise UnavailableError(
                f"no revision of {target.service} serves: start one with: pratique up {target.service} REVISION"
            )
        return recorded
    return max(receiving, key=lambda name: receiving[name])

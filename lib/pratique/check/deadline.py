"""Whether a good release can be promoted before the judge's deadline, at the traffic in the store."""

from __future__ import annotations

from pratique.check.finding import SkippedError, WarnedError
from pratique.config import Config
from pratique.errors import MissingError, PratiqueError


def deadline_state(config: Config, service: str) -> str:
    """Return how long a good release takes.

    Raises: WarnedError when fewer than 90 % of good releases are promoted before the deadline, SkippedError when the
    store has no traffic of the service or cannot be read.
    """
    from pratique.planning.plan import plan  # noqa: PLC0415 - the judge
    from pratique.planning.text import conclusion  # noqa: PLC0415 - the judge

    try:
        found = plan(config, service, factors=(), proposing=False)
    except MissingError:
        raise SkippedError(
            f"no traffic in the store yet: pratique plan {service} --requests-per-minute NUMBER forecasts a release"
        ) from None
    except PratiqueError:
        raise SkippedError("the store cannot be read: see store.url") from None
    if not found.arrives:
        raise WarnedError(f"{conclusion(found)} For better settings: pratique plan {service}")
    return conclusion(found)

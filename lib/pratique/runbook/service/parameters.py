"""The parameters of a runbook that works on a service, checked before anything is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pratique.config import check_name
from pratique.ledger.incidents import TEXTS
from pratique.printable_text import printable
from pratique.runbook.common.parameters import RunParameters, check_run_parameters, require_text


@dataclass(frozen=True, kw_only=True)
class ServiceParameters(RunParameters):
    """The parameters of every runbook that works on a service.

    incident: id of the incident that the run mends, or "".
    """

    service: str
    revision: str
    incident: str = ""


def check_service_parameters(
    *, service: str, revision: str = "", incident: str = "", runbook: str = "", **common: Any
) -> ServiceParameters:
    """Check the parameters of a runbook that works on a service. runbook: a word for generated run ids.

    common: the parameters of every runbook. Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    require_text({"service": service, "revision": revision, "incident": incident})
    check_name("service", service)
    if revision:
        check_name("revision", revision)
    parameters = check_run_parameters(run_id_words=(service, runbook, revision), **common)
    return ServiceParameters(
        **vars(parameters),
        service=service,
        revision=revision,
        incident=printable(incident, TEXTS["id"]).strip(),
    )

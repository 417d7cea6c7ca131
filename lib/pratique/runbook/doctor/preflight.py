"""What an examination would be refused for, checked before its kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.doctor.examine import checks_of, hosts_of
from pratique.runbook.common.preflight import require_new_or_same
from pratique.runbook.doctor.context import DoctorContext
from pratique.runbook.doctor.parameters import DoctorParameters, check_doctor_parameters


def check_doctor(parameters: Mapping[str, Any]) -> None:
    """Check parameters, service file and lock; nothing is written. Raises: UsageError, ConfigError, BusyError."""
    given = {name: value for name, value in parameters.items() if name in DoctorParameters.names()}
    context = DoctorContext(check_doctor_parameters(**given))
    hosts_of(context.config, context.parameters.hosts)
    checks_of(context.config, context.parameters.only, context.parameters.skip)
    require_new_or_same(context)

"""The settings that a collector works by: kept with its spool, shown in its status, compared with the service file.

A collector reads the service file when it starts, and again when it gets SIGHUP. What it counts with (`COUNTING`) is kept beside its
spool, so that a restart after a change counts the spooled lines as before and only the new ones by the new settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pratique.config import Config, ExportSettings, ServiceSettings, StoreSettings, Target, TelemetrySettings

COUNTING = ("telemetry.window_s", "telemetry.host", "telemetry.httplog", "services.", "store.url")
"""Beginnings of the settings that decide which row of which store a request is counted in."""
UNKNOWN_SERVICE = "no such service"
"""In place of the action rules of a service that a collector's service file did not name."""
WEBHOOK = ("listen_http", "webhook_token")
ANYWHERE = ("0.0.0.0", "[::]", "*")  # noqa: S104 - compared
LONGEST_VALUE = 60


def settings_of(
    telemetry: TelemetrySettings,
    store: StoreSettings,
    services: Mapping[str, ServiceSettings],
    export: ExportSettings,
    *,
    listen: str = "",
) -> dict[str, Any]:
    """Return the settings that a collector works by, as a part of a service file in plain JSON values.

    listen: the address of `pratique collect --listen`, if given.
    """
    own = telemetry.model_dump(mode="json", exclude={"advertise_address", *WEBHOOK})
    # only where they are given, so that a collector before these settings does not differ
    own |= {name: value for name in WEBHOOK if (value := getattr(telemetry, name))}
    counting = {name: _counting(service) for name, service in services.items()}
    # only keys that are given, so that a collector before these settings does not differ; a header may be a secret
    passed_on = export.remote_write.model_dump(mode="json", exclude_defaults=True, exclude={"headers"})
    return {
        "export": {"remote_write": passed_on},
        "telemetry": own | ({"listen": listen} if listen else {}),
        "store": store.model_dump(mode="json", exclude={"prometheus", "metrics"}) | {"url": _spelled(store.url)},
        "services": counting,
    }


def _counting(service: ServiceSettings) -> dict[str, Any]:
    """The settings of a service that decide how its lines are counted."""
    found = service.model_dump(mode="json", include={"actions"})
    if service.imports.log_format:
        found["imports"] = service.imports.model_dump(mode="json", include={"log_format", "revision_from"})
    return found


def wanted_settings(target: Target) -> dict[str, Any]:
    """Return the settings that the service file of a service wants a collector to work by."""
    return settings_of(target.telemetry, target.store, {target.service: target.settings}, target.export)


def counting_config(kept: Mapping[str, Any], config: Config) -> Config:
    """Return a configuration with the counting settings of an earlier collector, and everything else of `config`.

    kept: as `settings_of` returned it; settings of another version that cannot be read are those of `config`.
    """
    try:
        was = Config.model_validate({name: kept[name] for name in ("telemetry", "services")})
    except (ValidationError, KeyError):
        return config
    counted = {name: getattr(was.telemetry, name) for name in ("window_s", "host", "host_from", "httplog")}
    return config.model_copy(
        update={"telemetry": config.telemetry.model_copy(update=counted), "services": was.services}
    )


def counts_alike(settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two collectors would count a request in the same row of the same store."""
    return not any(key.startswith(COUNTING) for key, _, _ in _changes(settings, others))


def differences(running: Mapping[str, Any], wanted: Mapping[str, Any], *, counting_only: bool = False) -> list[str]:
    """Return one sentence for each setting in which a running collector differs from the service file.

    running: {} for a collector of a version that did not show its settings, which is no difference.
    counting_only: only the settings that decide which row a request is counted in.
    """
    found = _changes(running, wanted) if running else []
    return [_sentence(*change) for change in found if not counting_only or change[0].startswith(COUNTING)]


def _sentence(key: str, was: Any, now: Any) -> str:
    if was == UNKNOWN_SERVICE:
        service = key.removeprefix("services.").removesuffix(".actions")
        return f"the collector drops the lines of {service}: its service file did not name that service when it read it"
    return f"the collector runs with {key} = {_shown(was)}, the service file says {_shown(now)}"


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return one phrase for each counting setting that has another value."""
    found = [change for change in _changes(before, after) if change[0].startswith(COUNTING)]
    return [f"{key} changed from {_shown(was)} to {_shown(now)}" for key, was, now in found]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    was, now = dict(_flat(before)), dict(_flat(after))
    keys = [*was, *(key for key in now if key not in was)]
    # a service that only one of them names has no rules there
    found = [(key, was.get(key, _absent(key)), now.get(key, _absent(key))) for key in keys]
    return [(key, *_unlike(old, new)) for key, old, new in found if old != new and not _hears(key, old, new)]


def _unlike(was: Any, now: Any) -> tuple[Any, Any]:
    """Two values that differ, of lists without the members that they share, so that the difference is seen in a short text."""
    if not isinstance(was, list) or not isinstance(now, list):
        return was, now
    unlike = [item for item in was if item not in now], [item for item in now if item not in was]
    return unlike if any(unlike) else (was, now)


def _absent(key: str) -> Any:
    return [] if key.startswith("services.") and key.endswith(".actions") else None


def _hears(key: str, running: Any, wanted: Any) -> bool:
    """Whether a collector that listens at every address of the host also listens at the wanted one."""
    if not key.startswith("telemetry.listen") or not (isinstance(running, str) and isinstance(wanted, str)):
        return False
    (host, _, port), (_, _, wanted_port) = running.rpartition(":"), wanted.rpartition(":")
    return host in ANYWHERE and port == wanted_port


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(value: Any) -> str:
    if value is None:
        return "the default"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _spelled(url: str) -> str:
    """A folder by its real path, so that two spellings of one folder are no difference."""
    return url if "://" in url else os.path.realpath(Path(url))

"""A service with all that a package needs to act on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pratique.config.export import ExportSettings
from pratique.config.service import ServiceSettings
from pratique.config.state_folder import make_state_folder
from pratique.config.store import StoreSettings
from pratique.config.telemetry import TelemetrySettings


@dataclass(frozen=True)
class Target:
    """One service, its settings, and the folders that its paths are relative to.

    base: the folder of the service file. state_dir: the folder of ledger, journals and logs.
    """

    service: str
    settings: ServiceSettings
    base: Path
    state_dir: Path
    telemetry: TelemetrySettings
    store: StoreSettings
    export: ExportSettings

    def make_state_folder(self) -> None:
        """Make the state folder for its owner only. Raises: DeniedError."""
        make_state_folder(self.state_dir, self.base)

    def path(self, relative: str) -> Path:
        """Return a path of the service file, relative to the folder of that file."""
        return self.base / relative

"""Settings of the store."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pratique.config.types import Strict


class StoreSettings(Strict):
    """url: a folder, or an address of a store. retention_days: older windows are dropped; 0 keeps all."""

    url: str = ".pratique/store"
    retention_days: Annotated[float, Field(ge=0, le=36500)] = 90.0

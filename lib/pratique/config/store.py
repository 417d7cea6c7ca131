"""Settings of the store."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pratique.config.types import Strict


class StoreSettings(Strict):
    """Where rollups are kept."""

    url: str = ".pratique/store"
    retention_days: Annotated[float, Field(ge=0, le=36500)] = 90.0

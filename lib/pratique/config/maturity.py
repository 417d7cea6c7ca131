"""How the maturity review judges: the table `[maturity]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pratique.config.types import Strict


class MaturitySettings(Strict):
    """model: a file, or the name of an installed model; empty for the default."""

    model: Annotated[str, Field(max_length=500)] = ""

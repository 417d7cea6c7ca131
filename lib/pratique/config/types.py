"""The kinds of values that a service file holds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pratique.errors import UsageError

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME)]
OUTCOME = r"^((fewer )?([1-5]xx|[1-5][0-9]{2})|no answer|other|p[0-9]{2}(\.[0-9]+)?)$"
Plain = Annotated[str, Field(pattern=r"^[ -~]*$", max_length=255)]
"""Printable ASCII on one line."""
RequestPath = Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=2000)]
"""A path as it stands in a request line, with its query if it has one."""


def _port_in_range(address: str) -> str:
    host, _, port = address.rpartition(":")
    labels = host.split(".") if not host.startswith("[") else ["ipv6"]
    if int(port) > 65535 or not all(0 < len(label) <= 63 for label in labels):
        raise ValueError("an address is HOST:PORT, with a port up to 65535")
    return address


ADDRESS = r"^[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$"
LOOPBACK_ADDRESS = r"^(127\.[0-9.]+|localhost|\[::1\]):[0-9]{1,5}$"
Address = Annotated[str, Field(pattern=ADDRESS), AfterValidator(_port_in_range)]
LoopbackAddress = Annotated[str, Field(pattern=LOOPBACK_ADDRESS), AfterValidator(_port_in_range)]
Seconds = Annotated[float, Field(ge=0, le=86400)]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, infinity and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def check_name(what: str, value: str) -> str:
    """Return `value` if it can be the name of a service or revision in files, queries and labels.

    what: "service" or "revision", for the message. Raises: UsageError.
    """
    if not value:
        raise UsageError(f"the {what} is missing: name it")
    if not re.fullmatch(NAME, value):
        raise UsageError(
            f"{what} {value[:80]!r} is not a name: use letters, digits, '.', '_' and '-', at most 100, starting with a letter or digit"
        )
    return value


def check_address(value: str) -> str:
    """Return `value` if it is an address to listen on, HOST:PORT.

    Raises: UsageError.
    """
    try:
        return str(TypeAdapter(Address).validate_python(value))
    except ValidationError:
        raise UsageError(f"{value[:80]!r} is not an address: use HOST:PORT, with a port up to 65535") from None

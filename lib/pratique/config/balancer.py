"""Settings of the balancer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pratique.config.types import Address, LoopbackAddress, Plain, RequestPath, Strict


class HAProxySettings(Strict):
    """How HAProxy is set up, for balancer kind "haproxy"."""

    directory: str = ""
    binary: Plain = "haproxy"
    hosts: tuple[
        Annotated[
            str, Field(pattern=r"^ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?$")
        ],
        ...,
    ] = ()
    image: Annotated[str, Field(pattern=r"^([a-z0-9][A-Za-z0-9._/:@-]{0,254})?$")] = ""
    state_url: Annotated[str, Field(pattern=r"^((redis|rediss)://[!-~]+)?$")] = ""
    certificate: Plain = ""
    certificate_warn_days: Annotated[float, Field(ge=0, le=36500)] = 14.0
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    sticky_cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    canary_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = ""
    canary_users: tuple[Plain, ...] = ()
    probe_paths: tuple[RequestPath, ...] = ()
    template: str = ""


class BalancerSettings(Strict):
    """The balancer that divides the traffic, and its addresses."""

    kind: Literal["embedded", "haproxy"] = "embedded"
    listen: Address = "127.0.0.1:8080"
    control: LoopbackAddress | Literal[""] = ""
    timeout_s: Annotated[float, Field(ge=0.001, le=86400)] = 30.0
    haproxy: HAProxySettings = HAProxySettings()

"""Settings of the balancer: who gets the traffic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pratique.config.types import Address, LoopbackAddress, Plain, RequestPath, Strict


class HAProxySettings(Strict):
    """How HAProxy is set up, for `kind = "haproxy"`.

    directory: configuration, shares and sockets; default haproxy/SERVICE below the state folder. hosts: the
    balancer hosts, "ssh://user@host:port" each; none is this machine. image: run it as a container of this image.
    state_url: where the wanted pool is kept: "" is a file beside the configuration, "redis://host:port/db" is shared
    by several balancer hosts. certificate: PEM file with key, which turns TLS on; certificate_warn_days: before it expires.
    threads: more than one takes the count away by which lost access lines are noticed.
    sticky_cookie: name of a cookie that keeps a user's place in the draw, and so on a revision. canary_header,
    canary_users: whose header has one of these values goes to the canary first; such requests are not compared.
    probe_paths: requests for exactly these are a monitor's, and are not measured; default the readiness path.
    template: a configuration template of your own (Jinja), in place of the one that comes along.
    """

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
    """Who gets the traffic. `kind = "embedded"`: `pratique balancer`, a reverse proxy of our own; or "haproxy".

    listen: where users connect. control: where runbooks set the embedded balancer's weights; loopback only.
    timeout_s: how long a server may take to answer.
    """

    kind: Literal["embedded", "haproxy"] = "embedded"
    listen: Address = "127.0.0.1:8080"
    control: LoopbackAddress = "127.0.0.1:8081"
    timeout_s: Annotated[float, Field(ge=0.001, le=86400)] = 30.0
    haproxy: HAProxySettings = HAProxySettings()

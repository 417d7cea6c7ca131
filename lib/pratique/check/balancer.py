"""Checks of the balancer: its addresses, and for HAProxy its programs, hosts, certificate and template."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pratique.balancer import Pool, open_balancer
from pratique.balancer.control_socket import control_path
from pratique.check.certificate import certificate_state
from pratique.check.finding import Check
from pratique.check.folders import writable_folder
from pratique.check.programs import find_program, find_remote_programs, run_on
from pratique.check.sockets import Address, listen_state
from pratique.config import Target
from pratique.errors import MissingError, PratiqueError, UnavailableError

OLDEST = (2, 6)
"""The oldest HAProxy that the template is written for."""
ON_HOSTS = ("socat", "flock", "timeout")
_WRITABLE = (
    'there="$1"; while [ ! -e "$there" ]; do there="$(dirname "$there")"; done; '
    '[ -d "$there" ] && [ -w "$there" ] || { echo "$there cannot be written" >&2; exit 1; }'
)


def balancer_checks(target: Target) -> Iterator[Check]:
    """Yield the checks of a service's balancer."""
    settings, key = target.settings.balancer, f"services.{target.service}.balancer"
    hosts = settings.haproxy.hosts if settings.kind == "haproxy" else ()
    if not hosts:
        yield Check(f"{key}.listen", partial(listen_state, Address(settings.listen, "tcp"), partial(_own_part, target)))
    if settings.kind == "embedded":
        yield Check(f"{key}.control", partial(_control, target))
        return
    haproxy, key = settings.haproxy, f"{key}.haproxy"
    if hosts:
        for host in hosts:
            yield Check(f"{key}.hosts", partial(find_remote_programs, host, [haproxy.binary, *ON_HOSTS]))
    elif haproxy.image:
        yield Check(f"{key}.image", partial(find_program, "docker", target.base))
    else:
        yield Check(f"{key}.binary", partial(_haproxy, haproxy.binary))
    yield Check(f"{key}.directory", partial(_directory, target))
    yield Check(f"{key}.template", partial(_template, target))
    if haproxy.state_url:
        yield Check(f"{key}.state_url", partial(_desired_state, target))
    yield from _certificate_checks(target, key)


def _certificate_checks(target: Target, key: str) -> Iterator[Check]:
    haproxy = target.settings.balancer.haproxy
    if not haproxy.certificate:
        return
    path = target.path(haproxy.certificate).absolute()
    for host in haproxy.hosts:
        yield Check(f"{key}.certificate", partial(_remote_certificate, host, path))
    if not haproxy.hosts:
        warn_days = haproxy.certificate_warn_days
        yield Check(f"{key}.certificate", partial(certificate_state, path, warn_days=warn_days))


def _control(target: Target) -> str:
    path = control_path(target.state_dir, target.service)
    unused = target.settings.balancer.control
    return f"the control socket is {path}" + (f"; {unused} is no longer used: remove the key" if unused else "")


def _own_part(target: Target) -> str:
    """Return the balancer of this service if it answers. Raises: UsageError when it serves another service."""
    try:
        open_balancer(target).pool(target.service)
    except UnavailableError:
        return ""
    return f"the balancer of {target.service}"


def _haproxy(binary: str) -> str:
    path = shutil.which(binary)
    if path is None:
        raise MissingError(
            f"{binary!r} is not installed: install HAProxy, or set haproxy.image to run it in a container"
        )
    output = subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)\.(\d+)\S*", output)
    if found is None:
        raise UnavailableError(f"{path!r} is not HAProxy: it printed no version")
    if (int(found[1]), int(found[2])) < OLDEST:
        raise UnavailableError(f"{path!r} is HAProxy {found[1]}.{found[2]}: install 2.6 or newer")
    return f"HAProxy {found[0].removeprefix('version ')} found at {path}"


def _directory(target: Target) -> str:
    from pratique.balancer.haproxy.setup import directory_of  # noqa: PLC0415 - jinja2

    # refuses a folder whose path is too long for a socket
    open_balancer(target)
    folder, hosts = directory_of(target), target.settings.balancer.haproxy.hosts
    for host in hosts:
        run_on(host, ["sh", "-c", _WRITABLE, "sh", str(folder)])
    return f"{folder} can be written on every host" if hosts else writable_folder(folder)


def _template(target: Target) -> str:
    from pratique.balancer.haproxy.setup import template_context  # noqa: PLC0415 - jinja2
    from pratique.balancer.haproxy.template import render  # noqa: PLC0415

    pool = Pool(target.service, {"r1": ("127.0.0.1:1",)}, {"r1": 1.0})
    render(pool, template_context(target), stamp="00")
    return f"{target.settings.balancer.haproxy.template or 'the built-in template'} can be rendered"


def _desired_state(target: Target) -> str:
    from pratique.balancer.haproxy.setup import open_desired_state  # noqa: PLC0415 - jinja2

    return f"Redis answers, with version {open_desired_state(target).get().version} of the pool"


def _remote_certificate(host: str, path: Path) -> str:
    try:
        run_on(host, ["test", "-r", str(path)])
    except PratiqueError as error:
        raise UnavailableError(f"{str(path)!r} cannot be read on {host}: {error}") from error
    return f"{path} can be read on {host}"

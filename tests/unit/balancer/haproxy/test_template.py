"""HAProxy's configuration: no value of a service file or a pool can add a line or a word to it."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pratique.balancer.base import Lease, Pool
from pratique.balancer.haproxy.template import (
    WHOLE,
    Paths,
    TemplateContext,
    decoded,
    encoded,
    limits,
    order_of,
    render,
    shares_file,
    shares_of,
)
from pratique.balancer.shares import check_pool
from pratique.config import BalancerSettings, HAProxySettings
from pratique.errors import ConfigError, PratiqueError, UsageError

POOL = Pool("shop", {"r1": ("127.0.0.1:8001", "127.0.0.1:8002"), "r2": ("[::1]:8003",)}, {"r1": 0.9, "r2": 0.1})
ATTACKS = [
    "x\n  bind :9999",
    "x\r\nbackend evil",
    "x\x00",
    "x' server evil 10.0.0.1:80 '",
    'x" server evil 10.0.0.1:80 "',
    "x\\",
    "x # comment",
    "${HOME}",
    "%[env(PATH)]",
    "x; show env",
    "x\u2028y",
    "$(reboot)",
    "`reboot`",
    "x if TRUE",
    "é",
]


def context(paths=None, ready="/healthz", **haproxy):
    balancer = BalancerSettings(kind="haproxy", haproxy=HAProxySettings(**haproxy))
    return TemplateContext(balancer, paths or Paths("/run/pratique/shop"), "127.0.0.1:5514", ready)


def directives(text):
    """Return the first word of each line, without comments."""
    return [line.split()[:1] for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


PLAIN = directives(render(POOL, context(ready="/x"), stamp="00"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_readiness_path_adds_no_line(attack):
    try:
        text = render(POOL, context(ready=f"/{attack}"), stamp="00")
    except UsageError:
        return
    assert directives(text) == PLAIN
    assert_valid(text)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "key",
    ["sticky_cookie", "canary_header", "image", "state_url", "binary", "certificate", "probe_paths", "canary_users"],
)
def test_a_hostile_setting_is_refused_or_quoted(key, attack):
    value = (attack,) if key in {"probe_paths", "canary_users"} else attack
    try:
        given = context(**{key: value})
        paths = Paths("/run/pratique/shop", given.settings.haproxy.certificate)
        text = render(POOL, context(paths, **{key: value}), stamp="00")
    except (ValidationError, PratiqueError):
        return
    lines = [line for line in text.splitlines() if "evil" in line or "reboot" in line or "9999" in line]
    # otherwise it is in strong quotes, in a line of the template
    assert all(
        "'" in line and not line.lstrip().startswith(("bind :9999", "backend evil", "server evil")) for line in lines
    )
    if key != "certificate":
        assert_valid(text)
    elif shutil.which("haproxy"):
        assert f"unable to stat SSL certificate from file '{attack}'" in haproxy_check(text)[1]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_revision_service_or_directory_is_refused(attack):
    for pool in (
        Pool(attack, POOL.servers, POOL.weights),
        Pool("shop", {attack: POOL.servers["r1"]}, {attack: 1.0}),
    ):
        with pytest.raises(UsageError):
            render(pool, context(), stamp="00")
    with pytest.raises(UsageError):
        render(POOL, context(Paths(f"/run/{attack}")), stamp="00")


@pytest.mark.parametrize("attack", [*ATTACKS, "127.0.0.1:80 check", "127.0.0.1:99999", "127.0.0.1", "a b:80"])
def test_a_hostile_server_is_refused(attack):
    with pytest.raises(UsageError):
        check_pool(Pool("shop", {"r1": (attack,)}, {"r1": 1.0}))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40))
@pytest.mark.slow
def test_no_text_adds_a_line(text):
    try:
        found = render(POOL, context(ready="/" + text), stamp="00")
    except UsageError:
        return
    assert directives(found) == PLAIN


def haproxy_check(text):
    """Return the exit status and the messages of HAProxy's own check."""
    with TemporaryDirectory(prefix="hap-") as folder:
        paths = Paths(folder)
        Path(paths.configuration).write_text(text.replace("/run/pratique/shop", folder))
        for name in (paths.shares, paths.users):
            Path(name).touch()
        done = subprocess.run(["haproxy", "-c", "-f", paths.configuration], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def assert_valid(text):
    if shutil.which("haproxy"):
        status, said = haproxy_check(text)
        assert status == 0, said


def test_haproxy_accepts_a_configuration_with_all_options():
    given = context(
        sticky_cookie="place",
        canary_header="X-User",
        canary_users=("alice",),
        threads=2,
        probe_paths=("/a%20b", "/it's"),
    )
    assert_valid(render(POOL, given, stamp="00"))


def test_canary_users_are_one_line_each():
    with pytest.raises(ValidationError):
        HAProxySettings(canary_users=("alice\nbob",))


def test_a_missing_template_is_an_error():
    with pytest.raises(ConfigError, match="nowhere"):
        render(POOL, context(template="/nowhere.j2"), stamp="00")


@pytest.mark.parametrize(("old", "new"), [("ready", "readiness_path"), ("first_users", "canary_users")])
def test_an_own_template_with_an_old_variable_is_refused_with_the_new_name(tmp_path, old, new):
    template = tmp_path / "own.j2"
    template.write_text("{{ " + old + " }}")
    with pytest.raises(ConfigError, match=f"own.j2': variable '{old}' is now '{new}': rename it"):
        render(POOL, context(template=str(template)), stamp="00")


shares_of_pools = st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(sum)


@given(shares_of_pools)
@pytest.mark.slow
def test_limits_are_rising_integers_that_end_at_the_total(parts):
    order = [f"r{number}" for number in range(len(parts))]
    shares = {name: part / sum(parts) for name, part in zip(order, parts, strict=True)}
    ends = limits(shares, order)
    assert ends == sorted(ends)
    assert ends[-1] == WHOLE
    assert shares_of(ends, order) == pytest.approx(shares, abs=2 / WHOLE)


def test_the_newest_revision_has_the_low_numbers_of_the_draw():
    assert order_of(POOL) == ["r2", "r1"]
    entries = shares_file(POOL.weights, order_of(POOL), Lease("r2", "r1", 2.0, 7), 1_700_000_000_000)
    assert entries == {
        "limit.r2": WHOLE // 10,
        "limit.r1": WHOLE,
        "lease.until": 1_700_000_000_000,
        "lease.ttl": 2000,
        "lease.id": 7,
        "lease.canary": 1,
        "lease.baseline": 2,
    }


@pytest.mark.slow
@given(st.dictionaries(st.text(min_size=1), st.lists(st.text(), max_size=3).map(tuple), max_size=3))
def test_a_pool_survives_encoding(servers):
    pool = Pool("shop", servers, dict.fromkeys(servers, 0.0))
    assert decoded(encoded(pool)) == pool

"""The service file as a whole: what must agree across its tables, and the target of one service."""

from pathlib import Path

import pytest

from pratique.config import Config, ServiceSettings, Target, load, parse
from pratique.errors import ConfigError, UsageError

REMOTE = '[services.shop.balancer]\nkind = "haproxy"\n[services.shop.balancer.haproxy]\nhosts = ["ssh://lb1"]\n'
CONTAINERS = (
    '[services.shop.runtime]\nkind = "docker"\n[services.shop.runtime.docker]\nimage = "shop"\nlog_driver = "syslog"\n'
    'hosts = ["", "ssh://app1"]\n'
)


@pytest.mark.parametrize("text", [REMOTE, CONTAINERS])
@pytest.mark.parametrize("listen", ["127.0.0.1:5514", "0.0.0.0:5514", "localhost:5514"])
def test_a_collector_that_other_hosts_cannot_reach_is_refused(text, listen):
    with pytest.raises(ConfigError, match="would send its log to itself"):
        parse(f'[telemetry]\nlisten = "{listen}"\n{text}', Path("p.toml"))
    fixed = parse(f'[telemetry]\nlisten = "{listen}"\nadvertise_address = "10.0.0.5:5514"\n{text}', Path("p.toml"))
    assert fixed.telemetry.collector_address == "10.0.0.5:5514"


def test_a_collector_on_loopback_serves_senders_on_this_machine():
    assert parse(REMOTE.replace("lb1", "127.0.0.1"), Path("p.toml")).telemetry.collector_address == "127.0.0.1:5514"
    assert parse(CONTAINERS.replace("ssh://app1", "tcp://127.0.0.1:2375"), Path("p.toml")).services


def test_a_target_has_the_settings_and_folders_of_one_service(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('state = "kept"\n[telemetry]\nwindow_s = 2\n[services.shop.runtime]\nreleases = "built"\n')
    config = load(file)
    target = config.target("shop")
    assert target == Target(
        "shop", config.services["shop"], tmp_path, tmp_path / "kept", config.telemetry, config.store, config.export
    )
    assert target.path(target.settings.runtime.releases) == tmp_path / "built"
    assert target.path("/srv/built") == Path("/srv/built")


def test_a_log_can_be_imported_for_a_service_that_no_file_names():
    assert Config().service("shop") == ServiceSettings()


def test_a_service_that_the_file_does_not_name_is_an_error_that_names_those_it_has(tmp_path):
    config = parse("[services.orders]\n[services.cart]\n", tmp_path / "pratique.toml")
    with pytest.raises(UsageError, match=r"no service 'order' in .*pratique\.toml: choose one of orders, cart"):
        config.target("order")
    with pytest.raises(UsageError, match="write one with: pratique init shop"):
        Config().target("shop")
    with pytest.raises(UsageError, match="is not a name"):
        Config().target("../shop")

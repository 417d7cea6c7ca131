"""The service file is validated before anything is done with it, and an error names file, line and key."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import Config, ServiceSettings, StoreSettings, Target, check_address, check_name, load, parse
from pratique.config.renames import RENAMED
from pratique.errors import ConfigError, MissingError, UsageError


def test_no_file_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load() == Config(store=StoreSettings(url=str(tmp_path / ".pratique" / "store")))


def test_the_file_of_the_working_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pratique.toml").write_text("[telemetry]\nwindow_s = 2\n")
    assert load().telemetry.window_s == 2
    assert load("").telemetry.window_s == 2


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(MissingError, match=r"nowhere\.toml.* does not exist"):
        load(tmp_path / "nowhere.toml")


def test_the_argument_wins_over_the_environment_and_the_file(tmp_path, monkeypatch):
    file = tmp_path / "p.toml"
    file.write_text('[store]\nurl = "in-file"\n')
    assert load(file).store.url == str(tmp_path / "in-file")
    monkeypatch.setenv("PRATIQUE_STORE", "/from/environment")
    assert load(file).store.url == "/from/environment"
    assert load(file, store="s3://bucket/table").store.url == "s3://bucket/table"


def test_a_relative_store_of_the_environment_is_relative_to_the_working_folder(tmp_path, monkeypatch):
    file = tmp_path / "service" / "p.toml"
    file.parent.mkdir()
    file.write_text('[store]\nurl = "in-file"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRATIQUE_STORE", "here")
    assert load(file).store.url == str(tmp_path / "here")
    assert load(file, store="there").store.url == str(tmp_path / "there")


def test_a_target_has_the_settings_and_folders_of_one_service(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('state = "kept"\n[telemetry]\nwindow_s = 2\n[services.shop.runtime]\nreleases = "built"\n')
    config = load(file)
    target = config.target("shop")
    assert target == Target("shop", config.services["shop"], tmp_path, tmp_path / "kept", config.telemetry)
    assert target.path(target.settings.runtime.releases) == tmp_path / "built"
    assert target.path("/srv/built") == Path("/srv/built")


def test_a_service_that_the_file_does_not_name_has_the_defaults():
    assert Config().target("shop").settings == ServiceSettings()
    with pytest.raises(UsageError, match="is not a name"):
        Config().target("../shop")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[services.shop.judge]\n\nalpha = 3\n", r"p\.toml:3: services\.shop\.judge\.alpha: .*less than.*got 3"),
        ("[telemetry]\nwindow = 5\n", r"p\.toml:2: telemetry\.window: unknown key"),
        ("[telemetry]\nwindow_s = 'ten'\n", r"p\.toml:2: telemetry\.window_s: .*integer.*'ten'"),
        ("x = \n", r"p\.toml: not TOML: .*line 1"),
        ('base = "/"\n', r"p\.toml:1: base: unknown key"),
        (
            '[services.shop.judge.guards.a]\noutcome = "5xx"\n[services.shop.judge.guards.b]\noutcome = "9xx"\n',
            r"p\.toml:4: services\.shop\.judge\.guards\.b\.outcome: ",
        ),
        ("[services.shop.rollout]\nstages = [50, 5]\n", r"p\.toml:1: services\.shop\.rollout: .*rising"),
        ("[telemetry]\nlate_s = inf\n", r"p\.toml:2: telemetry\.late_s: .*finite"),
        ("[services.shop.balancer]\ntimeout_s = 1e-9\n", r"p\.toml:2: .*timeout_s: .*greater than or equal to 0\.001"),
        ('[telemetry]\nlisten = "127.0.0.1:99999"\n', r"p\.toml:2: telemetry\.listen: .*port up to 65535"),
        ('[telemetry]\nlisten = "a..b:5514"\n', r"p\.toml:2: telemetry\.listen: .*HOST:PORT"),
        (
            '[services.shop.runtime]\nreadiness_path = "/é"\n',
            r"p\.toml:2: services\.shop\.runtime\.readiness_path: .*pattern",
        ),
        ('[services.shop.balancer.haproxy]\nprobe_paths = ["-f"]\n', r"probe_paths.*pattern"),
        ('[services."a b"]\n', r"p\.toml:1: services\.a b: "),
        (
            '[[services.shop.actions]]\npath = "/"\n[[services.shop.actions]]\npath = "x"\n',
            r"services\.shop\.actions\.1\.path",
        ),
    ],
)
def test_a_broken_service_file_is_one_line_with_file_line_and_key(text, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        parse(text, Path("p.toml"))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 78


@pytest.mark.parametrize(("old", "name"), RENAMED.items())
def test_an_old_key_is_refused_with_its_new_name(old, name):
    old = old.replace("*", "shop")
    table, _, key = old.rpartition(".")
    new = f"{table}.{name}"
    with pytest.raises(ConfigError, match=rf"^p\.toml:3: {re.escape(old)} is now {re.escape(new)}: rename the key$"):
        parse(f"# a comment\n[{table}]\n{key} = 1\n", Path("p.toml"))
    fields = [part for part in new.split(".") if part != "shop"]
    assert has_field(Config, fields)
    assert not has_field(Config, [*fields[:-1], key])


def test_an_old_key_in_an_inline_table_is_found_with_the_line_of_that_table():
    text = '[services.shop.runtime]\nkind = "docker"\ndocker = { image = "shop", log = "syslog" }\n'
    with pytest.raises(ConfigError, match=r"^p\.toml:3: services\.shop\.runtime\.docker\.log is now .*\.log_driver"):
        parse(text, Path("p.toml"))


def has_field(model, names):
    """Whether a model has a field at a path of names; a service's name is left out."""
    first, *rest = names
    if first == "services":
        return has_field(ServiceSettings, rest)
    field = model.model_fields.get(first)
    return field is not None and (not rest or has_field(field.annotation, rest))


REMOTE = '[services.shop.balancer]\nkind = "haproxy"\n[services.shop.balancer.haproxy]\nhosts = ["ssh://lb1"]\n'
CONTAINERS = (
    '[services.shop.runtime]\nkind = "docker"\n[services.shop.runtime.docker]\nimage = "shop"\nlog_driver = "syslog"\n'
    'hosts = ["", "ssh://app1"]\n'
)


@pytest.mark.parametrize("text", [REMOTE, CONTAINERS])
@pytest.mark.parametrize("listen", ["127.0.0.1:5514", "0.0.0.0:5514", "localhost:5514"])
def test_a_collector_that_other_hosts_cannot_reach_is_told(text, listen):
    with pytest.raises(ConfigError, match="would send its log to itself"):
        parse(f'[telemetry]\nlisten = "{listen}"\n{text}', Path("p.toml"))
    told = parse(f'[telemetry]\nlisten = "{listen}"\nadvertise_address = "10.0.0.5:5514"\n{text}', Path("p.toml"))
    assert told.telemetry.target == "10.0.0.5:5514"


def test_a_collector_on_loopback_is_right_for_this_machine():
    assert parse(REMOTE.replace("lb1", "127.0.0.1"), Path("p.toml")).telemetry.target == "127.0.0.1:5514"
    assert parse(CONTAINERS.replace("ssh://app1", "tcp://127.0.0.1:2375"), Path("p.toml")).services


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:99999", "a..b:1", "a b:1", ":1"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(UsageError, match="give HOST:PORT"):
        check_address(address)


@given(st.text(max_size=200))
def test_any_text_is_a_config_or_a_config_error(text):
    try:
        parse(text, Path("p.toml"))
    except ConfigError as error:
        assert str(error).startswith("p.toml")


@pytest.mark.parametrize("name", ["", "-r", "../x", "a b", "<script>", "a\nb", "x" * 101])
def test_what_cannot_be_a_file_name_cannot_be_a_service(name):
    with pytest.raises(UsageError, match="is not a name"):
        check_name("service", name)

"""The service file is validated before anything is done with it, and an error names file, line and key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import Config, StoreSettings, load, parse
from pratique.errors import ConfigError, MissingError, UsageError


def test_without_a_file_every_key_has_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load() == Config(store=StoreSettings(url=str(tmp_path / ".pratique" / "store")))


def test_the_file_of_the_working_folder_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pratique.toml").write_text("[telemetry]\nwindow_s = 2\n")
    assert load().telemetry.window_s == 2
    assert load("").telemetry.window_s == 2


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[telemetry]\nwindow_s = 2\n")
    assert load(tmp_path / "a.toml").telemetry.window_s == 2


def test_deep_nesting_is_an_error_that_names_the_file():
    with pytest.raises(ConfigError, match=r"p\.toml: lists or tables are nested too deeply"):
        parse("a = " + "[" * 5000 + "]" * 5000, Path("p.toml"))


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[services.shop.judge]\n\nalpha = 3\n",
            r"p\.toml:3: services\.shop\.judge\.alpha: must be at most 0\.2 \(got 3\); for example: alpha = 0\.01",
        ),
        ("[telemetry]\nwindow = 5\n", r"p\.toml:2: telemetry\.window: unknown key: did you mean window_s\?"),
        (
            "[telemetry]\nwindow_s = 'ten'\n",
            r'p\.toml:2: telemetry\.window_s: must be a whole number \(got "ten"\); for example: window_s = 10',
        ),
        (
            "[services.shop.runtime.docker]\nimage = 'Shop:r1'\n",
            r'p\.toml:2: services\.shop\.runtime\.docker\.image: has the wrong form or "" \(got "Shop:r1"\); for example: image = "r.*/shop"$',
        ),
        (
            "[services.shop.judge]\ndispersion = 0.5\nalpha = 3\n",
            r"p\.toml:3: .*alpha: .* \(got 3\); for example: alpha = 0\.01 \(and 1 more\)$",
        ),
        (
            "[services.shop.judge.guards.a]\nweight = 1\n",
            r"p\.toml:1: .*guards\.a\.outcome: is missing; for example: outcome = .5xx.$",
        ),
        ("x = \n", r"p\.toml: not TOML: .*line 1"),
        ('base = "/"\n', r"p\.toml:1: base: unknown key"),
        (
            '[services.shop.judge.guards.a]\noutcome = "p00"\n',
            r"p\.toml:2: services\.shop\.judge\.guards\.a\.outcome: .*above p00 and below p100",
        ),
        (
            '[services.shop.judge.guards.a]\noutcome = "5xx"\n[services.shop.judge.guards.b]\noutcome = "9xx"\n',
            r"p\.toml:4: services\.shop\.judge\.guards\.b\.outcome: ",
        ),
        (
            "[services.shop.rollout]\nstages = [50, 5]\n",
            r"p\.toml:2: services\.shop\.rollout\.stages: .*rising order.* \(got \[50, 5\]\)",
        ),
        ("[telemetry]\nlate_s = inf\n", r"p\.toml:2: telemetry\.late_s: .*finite"),
        ("[services.shop.balancer]\ntimeout_s = 1e-9\n", r"p\.toml:2: .*timeout_s: must be at least 0\.001"),
        ('[telemetry]\nlisten = "127.0.0.1:99999"\n', r"p\.toml:2: telemetry\.listen: .*port up to 65535"),
        ('[telemetry]\nlisten = "a..b:5514"\n', r"p\.toml:2: telemetry\.listen: .*HOST:PORT"),
        (
            '[services.shop.runtime]\nreadiness_path = "/é"\n',
            r"p\.toml:2: services\.shop\.runtime\.readiness_path: has the wrong form",
        ),
        ('[services.shop.balancer.haproxy]\nprobe_paths = ["-f"]\n', r"probe_paths.*wrong form"),
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


@given(st.text(max_size=200))
def test_any_text_gives_a_config_or_a_config_error(text):
    try:
        parse(text, Path("p.toml"))
    except ConfigError as error:
        assert str(error).startswith("p.toml")


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:hunter2@bucket/t",
        "s3://KEY@bucket/t",
        "s3://KEY:hun/ter2@bucket/t",
        "S3A://KEY:hun/ter2@bucket/t",
        "s3://KEY%3Ahunter2@bucket/t",
        "gs://user:hunter2@bucket/t",
        "abfss://box:hunter2@account.dfs.core.windows.net/t",
        "https://user:hunter2@host/t",
    ],
)
@pytest.mark.parametrize("where", ["option", "environment", "file"])
def test_credentials_in_the_address_of_a_store_are_refused_and_not_shown(tmp_path, monkeypatch, url, where):
    file = tmp_path / "pratique.toml"
    file.write_text(f'store.url = "{url}"\n' if where == "file" else "")
    if where == "environment":
        monkeypatch.setenv("PRATIQUE_STORE", url)
    with pytest.raises(UsageError, match=r"holds credentials: .*AWS_ACCESS_KEY_ID") as raised:
        load(file, store=url if where == "option" else None)
    assert not any(part in str(raised.value) for part in ("hun", "KEY:", "KEY@", "KEY%", "user"))


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/a@b:c",
        "s3://127.0.0.1:9000/bucket",
        "abfss://box@account.dfs.core.windows.net/t",
        "az://box/t",
        "file:///srv/a:b@c",
        "gs://bucket/t",
    ],
)
def test_addresses_without_credentials_are_accepted(tmp_path, url):
    file = tmp_path / "pratique.toml"
    file.write_text("")
    assert load(file, store=url).store.url == url


def test_every_path_to_a_service_file_gives_the_same_folders(tmp_path, monkeypatch):
    real, beside = tmp_path / "real", tmp_path / "beside"
    real.mkdir()
    beside.mkdir()
    (real / "pratique.toml").write_text("[services.shop]\n")
    (tmp_path / "link").symlink_to(real)
    (beside / "other.toml").symlink_to(real / "pratique.toml")
    monkeypatch.chdir(beside)
    for spelling in (
        "../real/pratique.toml",
        "../link/pratique.toml",
        "other.toml",
        f"{real}/./../real//pratique.toml",
    ):
        config = load(spelling)
        assert (config.base, config.state_dir) == (str(real), real / ".pratique")
        assert config.target("shop").path("releases") == real / "releases"


def test_a_state_folder_with_a_link_in_its_path_is_one_folder(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    file = tmp_path / "pratique.toml"
    for spelling in ("link", "disk/", "./link/../link", str(tmp_path / "disk")):
        file.write_text(f'state = "{spelling}"\n')
        assert load(file).state_dir == tmp_path / "disk"

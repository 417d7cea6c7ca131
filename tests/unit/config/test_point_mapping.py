"""The table [store.points]: presets, keys that override them, and wrong values."""

from pathlib import Path

import pytest

from pratique.config import load, parse
from pratique.config.point_presets import POINT_PRESETS
from pratique.errors import ConfigError


def store(text, url="influxdb://127.0.0.1:8086/acme/telegraf"):
    return parse(f'[store]\nurl = "{url}"\n[store.points]\n{text}\n', Path("pratique.toml")).store


@pytest.mark.parametrize("name", POINT_PRESETS)
def test_every_preset_is_a_mapping(name):
    found = store(f'preset = "{name}"')
    assert found.points.missing == ()
    assert (found.is_points, found.is_influxdb, found.is_read_only) == (True, False, True)


def test_a_key_overrides_the_preset():
    found = store('preset = "telegraf-haproxy"\nrevision = "=r1"').points
    assert (found.revision, found.measurement) == ("=r1", "haproxy")


def test_without_the_table_a_bucket_is_our_own():
    found = store("")
    assert (found.is_points, found.is_influxdb, found.is_read_only) == (False, True, False)


def test_the_table_has_no_effect_on_another_store():
    found = store('preset = "telegraf-haproxy"', ".pratique/store")
    assert (found.is_points, found.is_read_only) == (False, False)


def test_what_is_missing_is_named():
    assert store('measurement = "nginx"\nservice = "=shop"').points.missing == ("revision", "code")


def test_the_rules_of_the_services_come_along(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text('[store.points]\npreset = "telegraf-access-log"\n[services.shop]\nactions = [{ path = "/cart" }]\n')
    points = load(file, store="influxdb://127.0.0.1:8086/acme/telegraf").store.points
    assert [rule.path for rule in points.rules["shop"]] == ["/cart"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('preset = "haproxy"', "no preset 'haproxy': choose one of telegraf-haproxy, telegraf-nginx-vts"),
        (
            'preset = "telegraf-nginx"',
            "counts requests without their status codes, so errors cannot be seen: use telegraf-nginx-vts",
        ),
        ('preset = "telegraf-apache"', "use telegraf-access-log"),
        ('revision = "sv:shop-.*"', "has no group: put the part that is the value in parentheses"),
        ('code = "_field:("', "is not a regular expression"),
        ('measurement = "a\\nb"', "store.points.measurement"),
        ("window_s = 0", "must be at least 1"),
        ('duration_unit = "min"', "store.points.duration_unit"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(line, words):
    with pytest.raises(ConfigError) as error:
        store(line)
    assert words in str(error.value)

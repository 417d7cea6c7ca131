"""The table [store.metrics]: presets, keys that override them, and wrong values."""

from pathlib import Path

import pytest

from pratique.config import parse
from pratique.config.metric_presets import PRESETS
from pratique.errors import ConfigError


def metrics(text):
    return parse(f"[store.metrics]\n{text}\n", Path("pratique.toml")).store.metrics


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_mapping(name):
    found = metrics(f'preset = "{name}"')
    assert found.is_given
    assert all((found.service, found.revision, found.code))


def test_a_key_overrides_the_preset():
    found = metrics('preset = "traefik"\nrevision = "=r1"')
    assert (found.revision, found.requests) == ("=r1", "traefik_service_requests_total")


def test_without_a_table_nothing_is_mapped():
    assert not metrics("").is_given


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('preset = "trafik"', "no preset 'trafik': choose one of haproxy, nginx-ingress, traefik"),
        ('revision = "pod:shop-.*"', "has no group: put the part that is the value in parentheses"),
        ('revision = "pod:("', "is not a regular expression"),
        ('service = "a b"', "is no label: write LABEL, ONE|OTHER, LABEL:PATTERN or =TEXT"),
        ('requests = "a{b}"', "store.metrics.requests"),
        ("window_s = 0", "must be at least 1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(line, words):
    with pytest.raises(ConfigError) as error:
        metrics(line)
    assert words in str(error.value)

"""The message about a wrong value of the service file."""

from pathlib import Path

import pytest

from pratique.config import parse
from pratique.config.reference import example, known_keys
from pratique.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[services.shop.balancer]\ncontrol = "8080"', "must be HOST:PORT of this machine"),
        ('[telemetry]\nlisten = "5514"', 'must be HOST:PORT (got "5514"); for example: listen = "127.0.0.1:5514"'),
        (
            '[services.shop.runtime]\ncommand = "a b"',
            'must be a list in brackets (got "a b"); for example: command = [',
        ),
        ("[services.shop.runtime]\ninstances = 1.5", "must be a whole number (got 1.5)"),
        ("[services.shop.runtime]\nkind = true", 'must be "process", "docker" or "swarm" (got true)'),
        ("[services.shop.judge]\ndispersion = 0.5", 'must be "measured" or at least 1 (got 0.5)'),
        ("[services.shop]\njugde = 1", "unknown key: did you mean judge?"),
        ("[services.shop]\nzzz = 1", "unknown key: remove it or check the spelling"),
        ("services = 3", "services: must be a table"),
        ('[services.shop.judge.guards.x]\noutcome = "6xx"', 'must be codes, as 5xx, 503, "no answer"'),
        ('[services.shop.judge.guards.x]\noutcome = "5xx"\ntolerated_exces = 0.1', "did you mean tolerated_excess?"),
        ('[services.shop.imports.fields]\nstatus = "rc"', "fields.status: unknown key: did you mean code?"),
        ('[services.shop.imports]\nrevision_form = "x"', "unknown key: did you mean revision_from?"),
        ('[services.shop]\nactions = [{pth = "/x"}]', "actions.0.pth: unknown key: did you mean path?"),
        ('[services.shop]\nactions = [{method = "GET"}]', "actions.0.path: is missing"),
        ("[services.shop.runtime]\nenv = {A = 3}", "must be text in quotes"),
    ],
)
def test_a_message_says_what_is_wanted_with_an_example(text, said):
    with pytest.raises(ConfigError) as caught:
        parse(text, Path("p.toml"))
    assert said in str(caught.value)
    assert "Input should" not in str(caught.value)


def test_an_example_is_that_of_the_explanation_or_the_default():
    assert example(("services", "shop", "rollout", "acceptance_paths")) == 'acceptance_paths = ["/", "/search?q=tea"]'
    assert example(("services", "shop", "rollout", "lease_s")) == "lease_s = 6.0"
    assert not example(("services", "shop", "nothing"))


def test_the_keys_of_a_table_are_known():
    assert {"runtime", "balancer", "judge", "rollout"} <= set(known_keys(("services", "shop")))
    assert {"telemetry", "services", "store", "state"} <= set(known_keys(()))

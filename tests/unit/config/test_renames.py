"""An old key of the service file is refused with its line and its new name."""

import re
from pathlib import Path

import pytest

from pratique.config import Config, ServiceSettings, parse
from pratique.config.renames import RENAMED
from pratique.errors import ConfigError


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

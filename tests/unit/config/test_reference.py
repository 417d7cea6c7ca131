"""The reference documents every key of the service file with its default, and its examples are valid."""

import re
import tomllib
import types
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from pratique.config import Config, GuardPolicy, JobSettings, ServiceSettings, parse
from pratique.config.reference import reference_text, sections, summary
from pratique.errors import ConfigError, UsageError

KEY = re.compile(r"^#(?=[^ #\n])", re.MULTILINE)
EXAMPLE = re.compile(r"(?:^#     .*\n)+", re.MULTILINE)
TEXT = reference_text().replace("services.NAME", "services.shop")
DEFAULTS = tomllib.loads(KEY.sub("", TEXT))
NOT_IN_A_FILE = {"base", "file"}
TABLES = {"services": {"shop": ServiceSettings()}, "jobs": {"NAME": JobSettings()}}


def examples():
    """Each example of the reference with the table that it belongs to, as the text of a service file."""
    for section in sections():
        for found in EXAMPLE.finditer(section.text):
            text = found.group().replace("#     ", "")
            table = "" if text.startswith("[[") or not section.table else f"[{section.table}]\n"
            yield pytest.param((table + text).replace("services.NAME", "services.shop"), id=text.split("\n")[0])


def fields(model, prefix=""):
    """The keys of a model and of the models within it, with the service's name in the place of any."""
    for name, field in model.model_fields.items():
        inner = model_within(field.annotation)
        if f"{prefix}{name}" in NOT_IN_A_FILE:
            continue
        if name == "services":
            yield from fields(ServiceSettings, "services.shop.")
        elif name == "jobs":
            yield from fields(JobSettings, "jobs.NAME.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel) and name != "guards":
            yield from fields(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def model_within(annotation):
    """The model of a field that is one."""
    if typing.get_origin(annotation) in {typing.Annotated, types.UnionType, typing.Union}:
        return model_within(typing.get_args(annotation)[0])
    return annotation


def keys(data, prefix=""):
    """The keys of a TOML document; the tables of guards and of variables count as one value."""
    for name, value in data.items():
        table = isinstance(value, dict) and name not in {
            "guards",
            "env",
            "tmpfs",
            "volumes",
            "headers",
            "labels",
            "match",
        }
        yield from keys(value, f"{prefix}{name}.") if table else [f"{prefix}{name}"]


def test_the_reference_has_every_key_and_no_other():
    assert set(keys(DEFAULTS)) == set(fields(Config))


def test_every_key_of_a_guard_is_in_the_reference():
    assert {key for guard in DEFAULTS["services"]["shop"]["judge"]["guards"].values() for key in guard} == set(
        GuardPolicy.model_fields
    )


def test_the_values_of_the_reference_are_the_defaults():
    text = KEY.sub("", TEXT)
    found = parse(text, Path("p.toml"))
    assert found == Config(**TABLES, base=found.base, file=found.file)


def test_the_reference_as_it_is_changes_nothing():
    found = parse(TEXT, Path("p.toml"))
    assert found == Config(**TABLES, base=found.base, file=found.file)


@pytest.mark.parametrize("text", list(examples()))
def test_an_example_is_valid_and_not_the_default(text):
    data, found = tomllib.loads(text), parse(text, Path("p.toml"))
    for key in keys(data):
        value, default = found, Config(**TABLES)
        for part in key.split("."):
            value, default = (
                each[part] if isinstance(each, dict) else getattr(each, part) for each in (value, default)
            )
        assert value != default


@pytest.mark.parametrize("key", sorted(fields(Config)))
def test_a_key_is_explained_by_one_sentence_first(key):
    if key.endswith("guards"):
        return
    line = summary(key.replace("services.shop", "services.NAME"))
    assert line.endswith(".")
    assert 15 < len(line) <= 118


def test_no_line_is_longer_than_a_terminal():
    assert max(map(len, reference_text().splitlines())) <= 120


@pytest.mark.parametrize("name", ["docker", "runtime.docker", "services.NAME.runtime.docker"])
def test_a_section_is_found_by_its_name_and_by_its_table(name):
    text = reference_text(name)
    assert text in reference_text()
    assert "[services.NAME.runtime.docker]" in text
    assert "#cap_add = []" in text
    assert "swarm]" not in text


def test_the_sections_are_the_whole_reference():
    joined = "".join(f"# === {section.name} ===\n{section.text}\n" for section in sections())
    assert reference_text().partition("# === general")[2] == joined.partition("# === general")[2].rstrip("\n") + "\n"


def test_an_unknown_section_lists_the_sections():
    with pytest.raises(
        UsageError, match=r"no section 'dokcer': choose one of general, notify, store, .*telemetry, .*docker"
    ):
        reference_text("dokcer")


@pytest.mark.parametrize("key", sorted(fields(Config)))
def test_a_refusal_of_a_form_says_which_form_is_wanted(key):
    *table, name = key.split(".")
    if name == "guards":
        return
    text = (f"[{'.'.join(table)}]\n" if table else "") + f'{name} = "\u00e9 \\u0001"\n'
    try:
        parse(text, Path("p.toml"))
    except ConfigError as error:
        assert "has the wrong form" not in str(error) or "for example" in str(error)

"""Routes of notifications: wrong values are refused in clear words, and no message repeats an address."""

from pathlib import Path

import pytest

from pratique.config import load, parse
from pratique.errors import ConfigError


def routes(text):
    return parse(text, Path("p.toml")).notify


def route(**keys):
    return routes("[[notify]]\n" + "\n".join(f"{name} = {value}" for name, value in keys.items()))[0]


@pytest.mark.parametrize(
    "to",
    [
        "env:HOOK",
        "file:hook",
        "https://alerts.example.org/pratique",
        "ntfys://ntfy.example/ops",
        "mailtos://mail.example?from=a@b.example&to=c@d.example",
    ],
)
def test_an_address_without_a_secret_is_taken(to):
    assert route(to=f'"{to}"').route == to


@pytest.mark.parametrize(
    "to",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "https://hooks.slack.com/services/T1/B1/XXXX",
        "mailtos://ann:geheim@mail.example",
        "json://web1/x?token=geheim",
        "json://web1/x?+Authorization=Bearer%20geheim",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "ntfys://tk_AgQdq7mVBoFD37zQVN29Rhu@ntfy.example/ops",
        "https://geheim@web1.example/x",
        "just words",
        "",
        "env:",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(to):
    with pytest.raises(ConfigError, match=r"p\.toml:2: notify\.0\.to: ") as raised:
        route(to=f'"{to}"')
    assert "env:NAME or file:PATH" in str(raised.value)
    assert len(to) < 6 or to[6:] not in str(raised.value)


def test_events_may_be_written_with_spaces_and_parts():
    assert route(to='"env:HOOK"', events='["job.*", "release.rolled back"]').events == ("job.*", "release.rolled_back")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("events", '["jobs.*"]', "no event is called 'jobs.*': use release.promoted"),
        ("least", '"worst"', "least"),
        ("quiet", '"22-6"', "write it like 22:00-06:00"),
        ("quiet", '"22:00-22:00"', "write it like 22:00-06:00"),
        ("quiet", '"24:00-06:00"', "write it like 22:00-06:00"),
        ("timezone", '"Vienna"', "write it like Europe/Vienna"),
        ("group_s", "-1", "group_s"),
        ("nam", '"x"', "did you mean name?"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(key, value, said):
    with pytest.raises(ConfigError, match=r"p\.toml:3: notify\.0\.") as raised:
        route(to='"env:HOOK"', **{key: value})
    assert said in str(raised.value)


def test_two_routes_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two routes are called 'env:HOOK'"):
        routes('[[notify]]\nto = "env:HOOK"\n[[notify]]\nto = "env:HOOK"\n')


def test_the_file_of_a_secret_is_found_beside_the_service_file(tmp_path):
    (tmp_path / "pratique.toml").write_text('[[notify]]\nto = "file:secrets/hook"\n')
    assert load(tmp_path / "pratique.toml").notify[0].to == f"file:{tmp_path}/secrets/hook"

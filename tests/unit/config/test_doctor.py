"""The table `[doctor]`."""

from pathlib import Path

import pytest

from pratique.config.load import parse
from pratique.errors import ConfigError

ACCEPTED = '[[doctor.accepted]]\ncheck = "root-user"\n'


def parsed(text):
    return parse(text, Path("pratique.toml")).doctor


def test_an_accepted_finding_has_a_reason_and_an_end():
    (one,) = parsed(f'{ACCEPTED}reason = "the vendor needs it"\nuntil = 2027-03-31\n').accepted
    assert (one.host, one.object, one.until.isoformat()) == ("*", "*", "2027-03-31")


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('reason = "needed"', "until"),
        ("until = 2027-03-31", "reason"),
        ('reason = "  "\nuntil = 2027-03-31', "reason"),
        ('reason = "needed"\nuntil = "soon"', "until"),
        ('reason = "needed"\nuntil = 2027-03-31\nwho = "me"', "who"),
    ],
)
def test_an_acceptance_without_them_is_refused(more, key):
    with pytest.raises(ConfigError, match=rf"doctor\.accepted\.0\.{key}"):
        parsed(ACCEPTED + more)


@pytest.mark.parametrize("line", ['hosts = ["web1"]', 'fail_on = "never"', "timeout_s = 0", "skip = ['; rm']"])
def test_a_wrong_value_is_refused(line):
    with pytest.raises(ConfigError, match="doctor"):
        parsed(f"[doctor]\n{line}\n")

"""Errors are one line, have their own exit status, and list the names that exist."""

import pytest

from pratique.errors import MissingError, PratiqueError, UsageError


def test_a_message_is_one_line():
    assert str(PratiqueError("cannot read\n  'x':\tno such file")) == "cannot read 'x': no such file"


def test_every_class_has_its_own_exit_status():
    classes = [PratiqueError, *PratiqueError.__subclasses__()]
    assert len({found.exit_status for found in classes}) == len(classes)


@pytest.mark.parametrize(
    ("known", "given", "message"),
    [
        (["r1", "r2"], {}, "no revision 'r9': choose one of r1, r2"),
        ([], {}, "no revision 'r9': there is no revision yet"),
        (["r1"], {"where": "in the pool of shop"}, "no revision 'r9' in the pool of shop: choose one of r1"),
        (["r1"], {"hint": "build it"}, "no revision 'r9': choose one of r1; build it"),
        ([], {"hint": "build it"}, "no revision 'r9': there is no revision yet; build it"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(known, given, message):
    error = MissingError.unknown("revision", "r9", known, **given)
    assert (type(error), str(error)) == (MissingError, message)


def test_a_long_list_and_a_long_name_are_cut():
    error = UsageError.unknown("notebook", "x" * 100, [f"n{number}" for number in range(30)])
    assert str(error).startswith(f"no notebook '{'x' * 80}': choose one of n10, ")
    assert str(error).endswith(", n29, or one of 10 others")


def test_of_a_long_list_those_like_the_name_are_named():
    known = ["build.once", "build.server", *(f"test.t{number}" for number in range(30))]
    assert "choose one of build.once, or one of 31 others" in str(UsageError.unknown("item", "build.onc", known))

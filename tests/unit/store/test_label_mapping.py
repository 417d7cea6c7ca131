"""Labels become service, revision, action, code and host."""

import pytest

from pratique.config import LabelMapping
from pratique.store.label_mapping import LabelReader, Tags

MAPPING = LabelMapping(
    service="app|job", revision=r"pod:^shop-(r\d+)-", action=("method", "uri"), code="status", host="pod"
)


def tags(**labels):
    return LabelReader(MAPPING).read({"job": "shop", "pod": "shop-r2-7f9", "method": "GET", "uri": "/", **labels})


def test_every_tag_comes_from_its_labels():
    assert tags(status="200") == Tags("shop", "r2", "GET /", 200, "shop-r2-7f9")


@pytest.mark.parametrize(
    ("status", "code"),
    [("404", 404), ("5xx", 500), ("2XX", 200), ("other", 0), ("0", 0), ("UNKNOWN", 0), ("999", 0), ("", None)],
)
def test_codes(status, code):
    assert tags(status=status).code == code


def test_a_class_of_codes_is_told_apart_from_a_code():
    assert tags(status="5xx").code_is_class
    assert not tags(status="500").code_is_class


def test_the_first_label_that_is_there_is_taken():
    assert tags(app="cart").service == "cart"
    assert tags(app="").service == "shop"


def test_a_value_that_the_pattern_does_not_match_is_no_revision():
    assert tags(pod="other").revision == "none"


def test_missing_parts_of_an_action_are_left_out():
    assert tags(uri="").action == "GET"
    assert tags(uri="", method="").action == "other"


def test_a_fixed_text_needs_no_label():
    reader = LabelReader(LabelMapping(service="=shop", revision="version"))
    assert reader.read({"version": "r1"}).service == "shop"
    assert (reader.label_of("service"), reader.label_of("revision")) == ("", "version")


def test_labels_without_a_service_are_nothing():
    assert LabelReader(MAPPING).read({"pod": "shop-r2-7f9"}) is None

"""Counts without the label that should have their status code are not taken for successes in silence."""

from dataclasses import replace

from pratique.store.label_mapping import Tags
from pratique.store.scraped.notes import Words, of_codes, of_unseen_codes

WORDS = Words("scrape", "store.metrics")
OK = Tags(service="shop", revision="r1", action="GET /", code=200, host="web1")
NO_CODE = replace(OK, code=None)


def test_a_label_that_no_counter_has_forbids_a_promotion():
    (text,) = of_unseen_codes([OK, NO_CODE], "status", WORDS)
    assert text.startswith("some counts have no label 'status' for the status code")
    assert "[store.metrics] code" in text


def test_a_mapping_without_a_label_for_the_code_was_chosen_so_and_is_only_noted():
    assert list(of_unseen_codes([NO_CODE], "", WORDS)) == []
    assert any("errors among them are not seen" in text for text in of_codes([NO_CODE]))


def test_counters_that_all_have_the_label_are_not_mentioned():
    assert [*of_unseen_codes([OK], "code", WORDS), *of_codes([OK])] == []

"""The rules for one line (the collector) and for a column (the import) give the same answers."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.logs import meaning, meaning_columns

TIMER = st.integers(-1, 100_000)
TARGET = st.one_of(
    st.sampled_from(["", "*", "/", "/a?b", "https://h", "https://h?x", "http://h/a/b?c#d", "h:443", "//a", "/a://b"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20),
)


def column(expression, **texts):
    return pl.DataFrame({name: [value] for name, value in texts.items()}).select(found=expression)["found"].item()


@given(st.integers(-1, 599), st.sampled_from(["----", "CD--", "cD--", "SC--", ""]))
def test_a_code_is_the_same_for_a_line_and_a_column(code, state):
    found = column(meaning_columns.answer_code_column(pl.col("code"), pl.col("state")), code=code, state=state)
    assert found == meaning.answer_code(code, state)


@given(TIMER, TIMER, TIMER, st.booleans())
def test_a_duration_is_the_same_for_a_line_and_a_column(total, request, response, unfinished):
    texts = {"total": f"{'+' if unfinished else ''}{total}", "request": str(request), "response": str(response)}
    found = column(meaning_columns.active_ms_column(pl.col("total"), pl.col("request"), pl.col("response")), **texts)
    assert found == meaning.active_ms(total, request, response, unfinished=unfinished)


@given(TARGET)
def test_a_path_is_the_same_for_a_line_and_a_column(target):
    assert meaning_columns.target_path_column(pl.Series([target])).item() == meaning.target_path(target)


@given(st.one_of(st.sampled_from(["", "-", "<NOSRV>", "<STATS>", "<a", "web_r1"]), st.text(max_size=5)))
def test_what_names_nothing_is_the_same_for_a_line_and_a_column(text):
    assert column(meaning_columns.is_no_name_column(pl.col("text")), text=text) == meaning.is_no_name(text)

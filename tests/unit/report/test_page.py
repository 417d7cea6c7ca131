"""The page is one offline file with plotly in it once, and only its own two scripts can run."""

import base64
import hashlib
import html.parser
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.figures import evidence_over_time
from pratique.report.markup import markdown, sanitized
from pratique.report.page import FIGURE, render
from support.report_samples import HOSTILE, sample_verdict


class Elements(html.parser.HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def page(*outputs, source="x"):
    cells = [
        {"cell_type": "markdown", "id": "title", "source": "# Title\n\n<script>1</script> [x](javascript:alert(1))"},
        {"cell_type": "code", "id": "step", "source": source, "outputs": list(outputs)},
    ]
    return render({"cells": cells}, "a <title> & more")


def shown(data):
    return {"output_type": "display_data", "data": data}


def figure_output():
    return shown(evidence_over_time(sample_verdict())._repr_mimebundle_())


@pytest.mark.slow
def test_a_page_contains_plotly_once_for_any_number_of_figures():
    text = page(figure_output(), figure_output(), figure_output())
    assert text.count("plotly.js v") == 1
    scripts = [attrs for tag, attrs in Elements(text).found if tag == "script"]
    assert [attrs.get("id") for attrs in scripts] == ["tokens", "figure-0", "figure-1", "figure-2", None, None]


def test_a_page_without_figures_has_no_script():
    text = page()
    assert "<script" not in text
    assert "script-src 'none'" in text.replace("&#x27;", "'")


def test_the_content_security_policy_allows_the_two_scripts_by_hash_and_no_url():
    text = page(figure_output())
    policy = next(attrs["content"] for tag, attrs in Elements(text).found if attrs.get("http-equiv"))
    bodies = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    wanted = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
    assert len(wanted) == 2
    assert all(f"'sha256-{digest}'" in policy for digest in wanted)
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_no_element_of_the_page_refers_to_another_file_or_host():
    text = re.sub(r"<script>.*?</script>", "", page(figure_output()), flags=re.DOTALL)
    for tag, attrs in Elements(text).found:
        for name in ("src", "href", "action", "data"):
            assert str(attrs.get(name, "data:")).startswith(("data:", "#")), (tag, attrs)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "text/markdown", "stream", "error", "source", "figure"])
def test_hostile_text_adds_no_element_that_executes(text, kind):
    output = {
        "stream": {"output_type": "stream", "name": "stdout", "text": text},
        "error": {"output_type": "error", "ename": "X", "evalue": text, "traceback": [text]},
        "figure": shown({FIGURE: {"data": [], "layout": {"meta": {"alt": text}, "title": text}}}),
    }.get(kind, shown({kind: text}))
    found = Elements(page(output, source=text if kind == "source" else "x")).found
    assert sum(tag == "script" for tag, _ in found) == (4 if kind == "figure" else 0)
    assert not [tag for tag, _ in found if tag in ("iframe", "object", "embed", "svg", "form")]
    assert not [attrs for _, attrs in found if any(name.startswith("on") for name in attrs)]
    assert not [attrs for _, attrs in found if "javascript:" in str(attrs.get("href", ""))]


def test_the_data_of_a_figure_is_valid_json_with_hostile_text_in_it():
    text = page(shown({FIGURE: {"data": [{"name": HOSTILE[3]}], "layout": {}}}))
    data = re.search(r'id="figure-0">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(data)["data"][0]["name"] == HOSTILE[3]


@given(st.text(max_size=200))
def test_sanitized_markup_is_stable_and_has_only_known_elements(text):
    once = sanitized(text)
    assert sanitized(once) == once
    assert all(tag not in ("script", "style", "img", "iframe") for tag, _ in Elements(once).found)


def test_sanitized_markup_keeps_tables_and_text_and_closes_open_elements():
    assert sanitized('<table onclick="x"><tr class="a"><td style="x">1 &lt; 2<b>') == (
        '<table><tr class="a"><td>1 &lt; 2<b></b></td></tr></table>'
    )
    assert sanitized("<script>alert(1)</script>a<style>b{}</style>c</div>") == "ac"


def test_markdown_shows_html_as_text_and_renders_markdown():
    text = markdown("**bold** `code` <b>no</b>\n\n| a |\n|---|\n| 1 |")
    assert "<strong>bold</strong>" in text
    assert "&lt;b&gt;" in text
    assert "<table>" in text


def test_a_cell_tagged_remove_cell_is_not_on_the_page():
    cell = {"cell_type": "markdown", "id": "x", "source": "secret handshake", "metadata": {"tags": ["remove-cell"]}}
    assert "handshake" not in render({"cells": [cell]}, "t")


def test_errors_and_printed_lines_are_shown_as_text():
    text = page(
        {"output_type": "error", "ename": "DataError", "evalue": "no", "traceback": ["\x1b[31mDataError\x1b[0m: <no>"]},
        {"output_type": "stream", "name": "stderr", "text": ["a\n", "b"]},
    )
    assert "DataError: &lt;no&gt;" in text
    assert "\x1b" not in text
    assert "a\nb" in text

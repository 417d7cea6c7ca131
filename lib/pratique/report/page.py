"""Render an executed notebook as one HTML file that opens offline; only the file's own two scripts can run in it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html import escape
from importlib import resources
from typing import Any

from pratique import __version__
from pratique.notebook.find import text_of
from pratique.report.markup import markdown, sanitized

FIGURE = "application/vnd.plotly.v1+json"
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
MAX_TEXT = 20_000
HIDDEN_TAG = "remove-cell"
"""Jupyter Book's tag for a cell that is left out of the page."""


def render(notebook: dict[str, Any], title: str) -> str:
    """Return the page of an executed notebook: prose, figures and tables, with the code folded away.

    Its content security policy allows exactly two scripts (plotly and page.js) by their hashes, and no request.
    """
    figures: list[str] = []
    shown = [cell for cell in notebook["cells"] if HIDDEN_TAG not in cell.get("metadata", {}).get("tags", ())]
    body = "\n".join(_cell(cell, figures) for cell in shown)
    scripts = [_plotly(), _asset("page.js")] if figures else []
    policy = _policy(scripts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta name="generator" content="pratique {__version__}">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<footer>pratique {__version__}</footer>\n{_tokens() if figures else ''}{''.join(figures)}"
        f"{''.join(f'<script>{script}</script>' for script in scripts)}\n</body>\n</html>\n"
    )


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes or chr(39) + 'none' + chr(39)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return resources.files("pratique.report").joinpath("assets", name).read_text(encoding="utf-8")


def _plotly() -> str:
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")


def _tokens() -> str:
    from pratique.figures.theme import TOKENS  # noqa: PLC0415 - plotly

    return _data("tokens", json.dumps(TOKENS))


def _data(name: str, text: str) -> str:
    # "<" could end the element or open a comment; in JSON it occurs only inside strings
    return f'<script type="application/json" id="{name}">{text.replace("<", chr(92) + "u003c")}</script>\n'


def _cell(cell: dict[str, Any], figures: list[str]) -> str:
    name = escape(str(cell.get("id", "")))
    if cell["cell_type"] == "markdown":
        return f'<section class="prose" id="{name}">{markdown(text_of(cell["source"]))}</section>'
    if cell["cell_type"] != "code":
        return ""
    outputs = "".join(_output(output, figures) for output in cell.get("outputs", ()))
    source = escape(text_of(cell["source"]))
    code = f'<details class="code"><summary>code</summary><pre><code>{source}</code></pre></details>' if source else ""
    return f'<section class="step" id="{name}">{outputs}{code}</section>'


def _output(output: dict[str, Any], figures: list[str]) -> str:
    kind = output["output_type"]
    if kind == "stream":
        return _text(text_of(output["text"]), "stream")
    if kind == "error":
        return _text("\n".join(output.get("traceback") or [f"{output['ename']}: {output['evalue']}"]), "error")
    data = output.get("data", {})
    if FIGURE in data:
        return _figure(data[FIGURE], figures)
    shown = next((mime for mime in RICH if mime in data), None)
    if shown is None:
        return _text(text_of(data.get("text/plain", "")), "plain")
    return f'<div class="output">{RICH[shown](text_of(data[shown]))}</div>'


def _image(base64: str) -> str:
    return f'<img alt="figure" src="data:image/png;base64,{escape("".join(base64.split()))}">'


RICH: dict[str, Callable[[str], str]] = {"text/html": sanitized, "image/png": _image, "text/markdown": markdown}
"""MIME type → renderer, in order of preference; plain text otherwise."""


def _text(text: str, kind: str) -> str:
    clean = ANSI.sub("", text)
    cut = "\n…" if len(clean) > MAX_TEXT else ""
    return f'<pre class="output {kind}">{escape(clean[:MAX_TEXT])}{cut}</pre>' if clean.strip() else ""


def _figure(value: dict[str, Any] | str, figures: list[str]) -> str:
    number = len(figures)
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    figures.append(_data(f"figure-{number}", text))
    layout = (json.loads(value) if isinstance(value, str) else value).get("layout", {})
    height = int(layout.get("height") or 450)
    meta = layout.get("meta")
    alt = escape(str(meta.get("alt", "figure"))) if isinstance(meta, dict) else "figure"
    return (
        f'<div class="figure" data-figure="figure-{number}" role="img" aria-label="{alt}" style="height:{height}px">'
        "<noscript>A script inside this file draws this figure; the table of guards below has the numbers.</noscript></div>"
    )

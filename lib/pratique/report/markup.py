"""HTML that is safe in a report: a few plain elements, no scripts, no styles, no URLs except links."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from typing import Any

KEPT = frozenset(
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 "  # noqa: SIM905 - words are easier to read than quotes
    "hr i kbd li ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead time tr u ul".split()
)
VOID = frozenset(("br", "col", "hr"))
DROPPED = frozenset("script style template iframe object embed svg math noscript textarea title select xmp".split())  # noqa: SIM905
ATTRIBUTES = frozenset("class colspan rowspan scope title lang open datetime start".split())  # noqa: SIM905
LINK = re.compile(r"(https?://|#|\./|[A-Za-z0-9_-]+\.html)", re.IGNORECASE)


def sanitized(markup: str) -> str:
    """Keep only elements and attributes that are known to be harmless; all text is kept."""
    cleaner = _Cleaner()
    cleaner.feed(markup)
    cleaner.close()
    return cleaner.result()


def markdown(text: str) -> str:
    """Render Markdown as HTML; HTML inside it is shown as text."""
    import mistune  # noqa: PLC0415 - only for pages

    render: Any = mistune.create_markdown(escape=True, plugins=["table"])
    return sanitized(render(text))


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._dropping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED:
            self._dropping.append(tag)
        if self._dropping or tag not in KEPT:
            return
        self._parts.append(f"<{tag}{_attributes(tag, attrs)}>")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
            return
        if tag in self._open:
            while self._open[-1] != tag:
                self._parts.append(f"</{self._open.pop()}>")
            self._parts.append(f"</{self._open.pop()}>")

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            self._parts.append(escape(data, quote=False))

    def result(self) -> str:
        return "".join(self._parts) + "".join(f"</{tag}>" for tag in reversed(self._open))


def _attributes(tag: str, attrs: list[tuple[str, str | None]]) -> str:
    kept = [(name, value or "") for name, value in attrs if name in ATTRIBUTES]
    kept += [("href", value) for name, value in attrs if (tag, name) == ("a", "href") and value and LINK.match(value)]
    return "".join(f' {name}="{escape(value)}"' for name, value in kept)

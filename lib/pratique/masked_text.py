"""Lines of logs without what looks like a secret, and the messages that remain when their variable parts are taken out.

Masked are values of keys that are named like a secret (key=value, key: value, JSON, options of a command, queries of an address), headers
Authorization and Cookie, users and passwords in addresses, addresses of webhooks, passwords given to programs such as mysql and curl, and the
known forms of tokens. A secret without any such sign looks like any other text.
"""

from __future__ import annotations

import re

MASK = "***"
LONGEST_LINE = 4000
"""Characters of a line that are looked at."""

SHORT_WORD = r"(?<!com)(?<!by)(?<!sur)(?<!tres)pass(?![a-z])"
_NAME = (
    rf"(?:passw(?:or)?d|{SHORT_WORD}|(?<=[?&])sig(?==)|passphrase|passwort|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|encryption[_-]?key|signature|credential|session(?:[_-]?id)?|cookie|authorization|\bauth(?![a-z]))[\w.-]{0,20}"
)
_VALUE = (
    r'\\"[^"\\]*(?:\\"|$)'  # JSON within JSON
    r'|"(?:[^"\\]|\\.)*(?:"|$)'
    r"|'(?:[^'\\]|\\.)*(?:'|$)"
    r"|(?:(?:bearer|basic|token|digest)\s+)?[^\s,;&\"'}\])]+"
)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie)(\s{0,3}[:=]\s{0,3})(?![\"'\\])[^\"\r\n]+", re.IGNORECASE
)


def pair_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern of a key and its value: name=value, name: value, JSON. name: a pattern. Groups: all before the value, the value."""
    return re.compile(rf"({name}\\?[\"']?\s{{0,3}}(?:=>|[=:])\s{{0,3}})({_VALUE})", re.IGNORECASE)


def option_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern of an option of a command and its value. name: a pattern. Groups: all before the value, the value."""
    return re.compile(rf"((?<!\S)--?[\w.-]{{0,40}}?{name}\s+)(?!-)(\S+)", re.IGNORECASE)


_PAIR = pair_pattern(_NAME)
_OPTION = option_pattern(_NAME)
_WORD = r"(?:\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|[^\s\"']\S*)"
_PROGRAM = re.compile(
    rf"(\b(?:mysql\w*|mariadb[\w-]*)\b[^|;&\n]{{0,300}}?\s-p)(?=\S){_WORD}"
    rf"|(\b(?:sshpass|mongo\w*|docker\s+login)\b[^|;&\n]{{0,300}}?\s-p\s*){_WORD}"
    rf"|(\bredis-cli\b[^|;&\n]{{0,300}}?\s-a\s*){_WORD}"
    r"|(\b(?:curl|wget)\b[^|;&\n]{0,300}?\s(?:-u|--user)[\s=]*)(?:\"[^\":]*:[^\"]*(?:\"|$)|'[^':]*:[^']*(?:'|$)|[^\s\"':]+:\S*)"
)
"""Programs that are given a password by a short option. A group: all before it."""
_PROGRAM_SIGNS = ("mysql", "mariadb", "sshpass", "mongo", "docker", "redis-cli", "curl", "wget")
_WEBHOOK = re.compile(
    r"(\bhooks\.slack\.com/\w+/|\bdiscord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/\w+/)[^\s\"']+"
)
_SCHEME = re.compile(r"\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_USER = re.compile(r"(://)[^\s/@\"']{1,300}@")
_TOKEN = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"  # JWT
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|sk_live_|rk_live_|pk_live_|hvs\.|dop_v1_|npm_|pypi-)[\w-]{10,}"
    r"|\bAIza[\w-]{30,}"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*"
)
_NAME_SIGNS = ("pass", "pwd", "secret", "token", "key", "signature", "credential", "session", "cookie", "auth", "sig=")
_TOKEN_SIGNS = (
    "eyJ",
    "AKIA",
    "ASIA",
    "gh",
    "glpat",
    "xox",
    "sk",
    "rk_",
    "pk_",
    "hvs",
    "dop_",
    "npm_",
    "pypi",
    "AIza",
    "PRIVATE",
)
"""What every match of the patterns contains."""

_ISO = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_TIME = re.compile(
    rf"{_ISO}|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b|\b\d{{1,2}}/[A-Z][a-z]{{2}}/\d{{4}}(?::\d\d){{3}}(?: [+-]\d{{4}})?"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_HEX = re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![A-Za-z_])[+-]?\d+(?:[.,:]\d+)*(?:[eE][+-]?\d+)?")


def masked(text: str) -> str:
    """Return the beginning of a text with MASK in place of what looks like a secret."""
    text = text[:LONGEST_LINE]
    # few lines have any of these, and to search for a word is far quicker than for a pattern
    if any(sign in text for sign in _TOKEN_SIGNS):
        text = _TOKEN.sub(MASK, text)
    if "://" in text and "@" in text:
        text = _USER.sub(rf"\1{MASK}@", text)
    lower = text.lower()
    if any(sign in lower for sign in _NAME_SIGNS):
        text = _HEADER.sub(rf"\1\2{MASK}", text)
        text = _PAIR.sub(rf"\1{MASK}", text)
        text = _OPTION.sub(rf"\1{MASK}", text)
    if "bearer" in lower or "basic" in lower:
        text = _SCHEME.sub(rf"\1{MASK}", text)
    if "hook" in lower:
        text = _WEBHOOK.sub(rf"\1{MASK}", text)
    if any(sign in lower for sign in _PROGRAM_SIGNS):
        text = _PROGRAM.sub(lambda found: f"{next(filter(None, found.groups()))}{MASK}", text)
    return text


def message_of(text: str) -> str:
    """Return what lines of one kind have in common: times, identifiers and numbers become placeholders.

    >>> message_of("2026-11-20 14:00:01,123 order 4711 took 12.5 ms at 0x7f3a")
    '<time> order <n> took <n> ms at <hex>'
    """
    text = _TIME.sub("<time>", text)
    text = _UUID.sub("<uuid>", text)
    text = _HEX.sub("<hex>", text)
    return _NUMBER.sub("<n>", text)

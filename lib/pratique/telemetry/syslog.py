"""Syslog messages as they come in datagrams: the header is taken off, the message is kept.

Source: RFC 5424, section 6 (HEADER, STRUCTURED-DATA, MSG). What does not follow it is no message, and is counted.
"""

from __future__ import annotations

import re

# <PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID, each of printable ASCII without spaces
_HEADER = re.compile(rb"<(\d{1,3})>1 [!-~]{1,64} ([!-~]{1,255}) ([!-~]{1,48}) [!-~]{1,128} [!-~]{1,32} ")
# an element is [name param="value" …]; within a value ", \ and ] are escaped
_ELEMENT = re.compile(rb'\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\.)*")*\]', re.DOTALL)
_BOM = b"\xef\xbb\xbf"
HIGHEST_PRIORITY = 191


def message_of(datagram: bytes) -> bytes | None:
    """The message of an RFC 5424 datagram; None when it is not one. Never raises."""
    header = _HEADER.match(datagram)
    if header is None or int(header[1]) > HIGHEST_PRIORITY:
        return None
    at = header.end()
    if datagram[at : at + 1] == b"-":
        at += 1
    else:
        start = at
        while element := _ELEMENT.match(datagram, at):
            at = element.end()
        if at == start:
            return None
    rest = datagram[at:]
    if rest and not rest.startswith(b" "):
        return None
    return rest[1:].removeprefix(_BOM)

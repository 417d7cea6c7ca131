"""Parse syslog messages in the forms of RFC 5424 and RFC 3164. Anything else is not a message.

Source: RFC 5424, section 6 (HEADER, STRUCTURED-DATA, MSG); RFC 3164, section 4.1, as HAProxy, Docker and glibc
write it, without a host name, and as rsyslog forwards it, with an ISO time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# <PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID, each of printable ASCII without spaces; Docker's tag is
# longer than the 48 characters of an APP-NAME
_HEADER = re.compile(rb"<(\d{1,3})>1 ([!-~]{1,64}) ([!-~]{1,255}) ([!-~]{1,400}) ([!-~]{1,128}) [!-~]{1,400} ")
# an element is [name param="value" …]; within a value ", \ and ] are escaped
_ELEMENT = re.compile(rb'\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\.)*")*\]', re.DOTALL)
_BOM = b"\xef\xbb\xbf"
# <PRI>Mmm dd hh:mm:ss [HOSTNAME ]TAG[PID]: CONTENT; rsyslog's RSYSLOG_ForwardFormat has an ISO time in its place
_OLD = re.compile(
    rb"<(\d{1,3})>(?:(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d (?:\d{4} )?\d\d:\d\d:\d\d"
    rb"|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)) "
    rb"(?:([!-9;-Z^-~]{1,255}) )?([!-9;-Z^-~]{1,400})(?:\[([!-Z^-~]{1,128})\])?: ?"
)
HIGHEST_PRIORITY = 191


class Message(NamedTuple):
    """A message and its header. host: "-" where the header has none. time: the ISO time of the header, else ""."""

    priority: int
    host: str
    app: str
    procid: str
    time: str
    body: bytes


def parse(datagram: bytes) -> Message | None:
    """Return the message in a datagram or frame; None when there is none. Never raises."""
    header = _HEADER.match(datagram)
    if header is not None:
        return _new(datagram, header)
    header = _OLD.match(datagram)
    if header is None or int(header[1]) > HIGHEST_PRIORITY:
        return None
    host, app, procid = ((part or b"-").decode("ascii") for part in header.group(3, 4, 5))
    return Message(int(header[1]), host, app, procid, (header[2] or b"").decode("ascii"), datagram[header.end() :])


def _new(datagram: bytes, header: re.Match[bytes]) -> Message | None:
    if int(header[1]) > HIGHEST_PRIORITY:
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
    time, host, app, procid = (part.decode("ascii") for part in header.group(2, 3, 4, 5))
    return Message(int(header[1]), host, app, procid, time, rest[1:].removeprefix(_BOM))

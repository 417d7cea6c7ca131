"""Send one message by apprise, in a separate process, which ends in time whatever the receiver does.

Apprise is loaded here only. The address comes by standard input, since other users can read the arguments of a process.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from pratique.errors import PratiqueError
from pratique.isolated import isolated_command
from pratique.notify.address import as_webhook, resolved, without_secrets
from pratique.notify.event import Event
from pratique.notify.text import LONGEST_BODY, LONGEST_TITLE, Message, message_of
from pratique.printable_text import printable

LIMIT_S = 30.0
"""After this time the process is killed."""
ANSWER_S = 15.0
"""How long the receiver may be silent; apprise's own 4 s would send again what a slow receiver took."""
MOST_MEMORY = 2 << 30
"""Bytes of address space: a receiver may answer without end."""
MOST_BYTES = 4000
"""Of a text: ntfy takes 4096, and refuses more or makes a file of it; a character can have four."""
LONGEST_REASON = 300
NOT_ANSWERED = ("read timed out", "timed out", "connection aborted", "remotedisconnected", "connection reset", "eof")
"""Words in the reason of a failure after which the message may have arrived."""
_MENTION = re.compile(
    r"(?<!\w)@(?=\S)|@(?=[^\w\s]{0,3}(?:everyone|here|channel|all|room|topic)\b)|<(?=/?at>)", re.IGNORECASE
)
"""The sign before the name of a person or a group; Teams writes <at>name</at>."""
_ANY_MENTION = re.compile(r"@|<(?=/?at>)", re.IGNORECASE)
PINGING = {"discord", "fluxer", "fluxers"}
"""Schemes for which apprise itself looks for names, and calls `nightly` of job@nightly."""
PLAIN = {"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"}
"""Schemes whose receiver shows no mention, so that the text stays exactly as it is."""
RENDERED = {"discord", "guilded", "mmost", "mmosts", "nctalk", "nctalks", "revolt", "ryver", "zulip"}
"""Schemes whose plain text is shown as Markdown: apprise escapes it when it is asked for Markdown."""
_TYPES = {"low": "info", "medium": "warning", "high": "failure", "critical": "failure"}


@dataclass(frozen=True)
class SendResult:
    """Whether a message arrived, and why not. unknown: it may have arrived in spite of a failure."""

    ok: bool
    reason: str = ""
    unknown: bool = False


@dataclass(frozen=True)
class Sending:
    """A message that a process is sending."""

    process: subprocess.Popen[str]
    started: float

    def result(self) -> SendResult:
        """Wait for the end, at most LIMIT_S after the start, and return what happened."""
        try:
            output, _ = self.process.communicate(timeout=max(0.0, self.started + LIMIT_S - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return SendResult(False, f"no end within {LIMIT_S:.0f} s", unknown=True)
        try:
            return SendResult(**json.loads(output))
        except (ValueError, TypeError):
            return SendResult(False, f"the sending process ended with status {self.process.returncode}", unknown=True)


def start_sending(to: str, events: Sequence[Event], *, again: bool = False) -> Sending:
    """Start to send events to an address, given as in the settings. Raises: OSError."""
    process = subprocess.Popen(
        isolated_command("pratique.notify.sender"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wanted = json.dumps({"to": to, "again": again, "events": [event.to_json() for event in events]})
    sending = Sending(process, time.monotonic())
    if process.stdin is not None:
        try:
            process.stdin.write(wanted)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended, which `result` tells
        finally:
            process.stdin = None  # `communicate` must not flush it again
    return sending


def send(to: str, events: Sequence[Event], *, again: bool = False) -> SendResult:
    """Send events to an address in this process, and return what happened; secrets of the address are masked."""
    try:
        address = resolved(to)
    except PratiqueError as error:
        return SendResult(False, str(error))
    try:
        result = _send(address, events, again=again)
    except Exception as error:  # noqa: BLE001 - of any of a hundred plugins
        result = SendResult(False, f"{type(error).__name__}: {error}")
    reason = printable(" ".join(without_secrets(result.reason, address).split()), LONGEST_REASON)
    return SendResult(result.ok, reason, result.unknown)


def _send(address: str, events: Sequence[Event], *, again: bool) -> SendResult:
    import apprise  # noqa: PLC0415 - slow to load

    asset = apprise.AppriseAsset(
        app_id="Pratique", app_desc="Pratique", app_url="", http_redirects=False, interpret_emojis=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY, async_mode=False, service_timeout=LIMIT_S - 5,
    )  # fmt: skip
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    log: list[tuple[str, str]] = []
    service = _service(apprise, address, asset, log)
    if service is None:
        return SendResult(False, f"apprise does not know such an address: {_reason(log) or 'check its form'}")
    merged = service.title_maxlen <= 0
    longest = min(LONGEST_BODY, int(service.body_maxlen * 0.8) - merged * LONGEST_TITLE)
    message = message_of(events, again=again, longest=max(longest, LONGEST_TITLE))
    while len(message.body.encode()) > MOST_BYTES and longest > LONGEST_TITLE:
        longest = longest * 2 // 3
        message = message_of(events, again=again, longest=max(longest, LONGEST_TITLE))
    # a webhook that calls its text "text" is one for a chat, as Slack's
    is_chat = "=text" in address
    schemes = _schemes(service)
    if is_chat or not schemes & PLAIN:
        message = _without_mentions(message, _ANY_MENTION if schemes & PINGING else _MENTION)
    if is_chat:
        message = Message(message.title, escape(message.body, quote=False), message.risk)
    sender = apprise.Apprise(service, asset=asset, location=apprise.ContentLocation.INACCESSIBLE)
    answer = sender.notify(
        body=message.body,
        title=message.title,
        notify_type=apprise.NotifyType(_TYPES[message.risk]),
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
        log_callback=lambda entry, _: log.append((entry.level, entry.message)),
        log_level=10,
    )
    if answer:
        return SendResult(True)
    reason = _reason(log) or "apprise gives no reason"
    unknown = answer.status == apprise.AppriseResultStatus.TIMEOUT
    return SendResult(False, reason, unknown or any(sign in reason.lower() for sign in NOT_ANSWERED))


def _service(apprise: Any, address: str, asset: Any, log: list[tuple[str, str]]) -> Any:
    """Return apprise's service for an address, None when it has none; what it logs about that is added to `log`."""
    parsed = apprise.plugins.url_to_dict
    with apprise.LogCapture(level=30) as captured:
        found = None
        if address.partition(":")[0].lower() in {"http", "https"}:
            found = parsed(address) or parsed(as_webhook(address))
        found = found or parsed(address)
        if found is None:
            return None
        found.setdefault("rto", ANSWER_S)
        found["redirect"] = False
        if found.get("schema") in RENDERED:
            found["format"] = "markdown"
        service = apprise.Apprise.instantiate(found, asset=asset)
        log += [("ERROR", line) for line in captured.getvalue().splitlines()]
    return service


def _reason(log: Sequence[tuple[str, str]]) -> str:
    """Return what apprise says of a failure: its last warning, and what it logs only in detail: the cause or the answer."""
    said = [text for level, text in log if level in {"WARNING", "ERROR", "CRITICAL"}]
    detail = [text.partition(":") for _, text in log if text.startswith(("Socket Exception", "Response Details"))]
    causes = [_cause(text) for _, _, text in detail if text.strip() not in {"", "b''"}]
    return " ".join(dict.fromkeys([*said[-1:], *causes[-1:]]))


def _cause(text: str) -> str:
    """Return the end of a chain of exceptions of `requests`, which says in words what happened."""
    return text.rpartition("Caused by ")[2].rpartition("): ")[2].strip("\"'() ")


def _schemes(service: Any) -> set[str]:
    """Return the schemes of a service; apprise has one or several for each of the two."""
    told = (service.protocol, service.secure_protocol)
    return {name for one in told if one for name in ([one] if isinstance(one, str) else one)}


def _without_mentions(message: Message, mention: re.Pattern[str]) -> Message:
    """Return a message that calls nobody: a space of no width follows the sign of a mention."""
    title, body = (mention.sub(lambda found: f"{found[0]}\u200b", text) for text in (message.title, message.body))
    return Message(title, body, message.risk)


def main() -> None:
    """Send what standard input asks for; print the result as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    wanted = json.loads(sys.stdin.read())
    events = [Event.from_json(text) for text in wanted["events"]]
    print(json.dumps(asdict(send(wanted["to"], events, again=wanted["again"]))))  # noqa: T201


if __name__ == "__main__":
    main()

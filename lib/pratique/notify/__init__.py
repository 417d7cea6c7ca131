"""Notifications: which event goes where; an outbox that survives death, and a process that sends."""

from pratique.notify.event import Event
from pratique.notify.notify import notify, send_waiting

__all__ = ["Event", "notify", "send_waiting"]

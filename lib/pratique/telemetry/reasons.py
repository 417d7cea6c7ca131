"""Reasons why a line or row is no request of a service, where more than one module must know them."""

from __future__ import annotations

NO_REVISION = "no revision"
"""The line names no revision: it may be a request that no instance has answered."""
OTHER_SERVICE = "another service"
NO_REQUEST = "messages without status, path and duration"
OTHER_FORM = "it looks like a request, but has no status, path or duration by a known name: name them with --field"

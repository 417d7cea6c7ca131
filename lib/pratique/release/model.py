"""The release model: a service, a revision, its content by digest, and its injected configuration."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Release:
    """An immutable release.

    digest: "sha256:…" of the release directory or the image; once an instance of it was ready, a revision is permanently
        bound to one digest and one configuration.
    location: the directory or image reference with that digest.
    env: configuration injected by environment. A value may be a reference ("env:NAME", "file:PATH"), which is
        resolved when an instance starts. It is not part of the repr, because it may contain a secret.
    """

    service: str
    revision: str
    digest: str
    location: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict, repr=False)

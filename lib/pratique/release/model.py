"""What a release is: a service, a revision, the content it stands for, and the configuration put into it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Release:
    """An immutable release.

    digest: "sha256:…" of the release directory (or, for containers, of the image); a revision is bound
        to one digest and one configuration for ever.
    location: the directory (or image reference) that the digest was taken of.
    env: configuration injected by environment; a value may be a reference ("env:NAME", "file:PATH"),
        resolved only when an instance is started. Not shown: a person may have written a secret into it.
    """

    service: str
    revision: str
    digest: str
    location: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict, repr=False)

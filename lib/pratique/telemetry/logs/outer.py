"""Values that stand in the wrapper of a line, such as a container's label, named as its revision, host or service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pratique.errors import UsageError
from pratique.telemetry.logs import detect
from pratique.telemetry.logs.events import RevisionSource
from pratique.telemetry.logs.fields import OVERRIDE, Field
from pratique.telemetry.logs.layouts import Layout, NamedLayout
from pratique.telemetry.logs.named import listed
from pratique.telemetry.logs.unwrap import Unwrapper

MEANINGS = frozenset({"host", "revision", "service"})
"""What a wrapper may tell of a line."""


@dataclass(frozen=True)
class NamedFields:
    """The fields that a person named. given: on the command line. configured: in the service file. source: of the revision."""

    given: tuple[Field, ...]
    configured: tuple[Field, ...]
    source: RevisionSource

    def layouts(self, candidates: Sequence[Layout], *, is_open: bool) -> tuple[Layout, ...]:
        """Return the layouts with these fields, see `detect.with_names`; those that none has may stand in a wrapper.

        Raises: UsageError for a field that can stand in neither.
        """
        try:
            return detect.with_names(candidates, self.given, self.configured, is_open=is_open)
        except UsageError:
            inner = [field for field in self.given if field.meaning not in MEANINGS]
            if len(inner) == len(self.given):
                raise
            return detect.with_names(candidates, inner, self.configured, is_open=is_open)

    def names_revision(self) -> bool:
        """Whether a field is named as the revision, which the layout may lack and the wrapper has."""
        fields = (*self.given, *self.configured)
        return bool(self.source.field) or any(field.meaning == "revision" for field in fields)

    def in_wrapper(self, layout: Layout, unwrapper: Unwrapper) -> tuple[Field, ...]:
        """Return the fields that the wrapper has and the lines within have not.

        Raises: UsageError for one that was given and that neither has.
        """
        keys = () if unwrapper.envelope is None else unwrapper.envelope.keys
        by_option = [(field, "--field") for field in self.given if field.meaning in MEANINGS]
        if self.source.field:
            by_option.append((Field(self.source.field, self.source.field), "--revision-from"))
        by_file = [(field, "") for field in self.configured if field.meaning in MEANINGS]
        found = []
        for field, option in (*by_option, *by_file):
            name = unwrapper.name_of(field.name)
            if _has(layout, field.name):
                continue
            if name is not None:
                found.append(replace(field, source=f"{name} of the wrapper"))
            elif option and not isinstance(layout, NamedLayout):
                have = listed([*sorted({one.name for one in layout.fields}), *keys])
                raise UsageError(f"{option}: a line has no field {field.name!r}: it has {have}")
        return tuple(found)


def without(layout: Layout, outer: Sequence[Field]) -> Layout:
    """Return the layout without fields that stand in the wrapper."""
    if not isinstance(layout, NamedLayout) or layout.found is None:
        return layout
    names = {field.name.lower() for field in outer}
    return replace(layout, found=tuple(field for field in layout.found if field.name.lower() not in names))


def _has(layout: Layout, name: str) -> bool:
    if not isinstance(layout, NamedLayout):
        return any(field.answers_to(name) for field in layout.fields)
    known = (field for field in layout.fields if field in layout.candidates and field.rank < OVERRIDE)
    return name.lower() in {key.lower() for key in layout.keys} or any(field.answers_to(name) for field in known)

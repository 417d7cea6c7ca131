"""Tables of the keys of a JSON object: from the class that it is made of, or from a list that must name every key of a sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from tools.reference.markdown import cell, explained, plain, table


def keys_of_class(kind: type) -> str:
    """The meaning of a class, and a table of its fields, whose names are the keys."""
    names = [item.name for item in fields(kind)]
    doc = explained(kind.__doc__, names)
    meanings = {name: (keys, text) for keys, text in doc.names.items() for name in keys.split(", ")}
    rows = []
    for name in names:
        keys, text = meanings.get(name, (name, ""))
        first = keys.split(", ")[0]
        shown = text if name == first else f"see `{first}`"
        rows.append((f"`{name}`", cell(re.sub(r"\bNone\b", "`null`", shown))))
    return plain(" ".join(doc.text)) + "\n\n" + table(("key", "meaning"), rows)


def keys_of_sample(meanings: Mapping[str, str], sample: Mapping[str, object], title: str) -> str:
    """A table of keys with their meanings. Raises: ValueError when the list and a sample of the object have other keys."""
    if list(meanings) != list(sample):
        raise ValueError(f"{title}: the page explains {list(meanings)}, and the object has {list(sample)}")
    return table(("key", "meaning"), ((f"`{key}`", cell(text)) for key, text in meanings.items()))

"""A kept file is of its type, or reading it fails in one known way."""

from dataclasses import dataclass

import pytest

from pratique.kept_json import parse_kept, read_kept


@dataclass(frozen=True)
class Kept:
    name: str
    shares: dict[str, float]


def test_content_is_returned_as_its_type(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"name": "a", "shares": {"r1": 1}, "of a later version": 1}]')
    assert read_kept(path, list[Kept]) == [Kept("a", {"r1": 1.0})]
    with pytest.raises(FileNotFoundError):
        read_kept(tmp_path / "missing", Kept)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'{"a": 1}',
        b"\xff\xfe",
        b"\0" * 9,
        b"[" * 100_000,
        b'{"name": 1, "shares": {}}',
    ],
)
def test_every_damage_is_a_value_error(content):
    with pytest.raises(ValueError):
        parse_kept(content, Kept)

"""The file of rejected lines."""

import json

from pratique.telemetry import rejects
from pratique.telemetry.rejects import RejectsFile


def test_file_is_put_in_place_when_the_import_is_complete_only(tmp_path):
    path = tmp_path / "rejects" / "shop.jsonl"
    with RejectsFile(path) as file:
        file.add(path, [(1, "why", "x" * 5000)])
        assert not path.exists()
        assert file.keep() == path
    assert len(json.loads(path.read_text())["text"]) == rejects.MAX_LINE
    with RejectsFile(path) as file:
        file.add(path, [(2, "why", "y")])
    assert [entry.name for entry in path.parent.iterdir()] == ["shop.jsonl"]
    assert json.loads(path.read_text())["line"] == 1


def test_size_of_the_file_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(rejects, "MOST_BYTES", 1000)
    with RejectsFile(tmp_path / "a") as file:
        file.add(tmp_path, [(number, "why", "line") for number in range(1000)])
        file.keep()
    assert len((tmp_path / "a").read_text().splitlines()) == file.kept < 30

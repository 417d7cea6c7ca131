"""The changes that were reported: durable, each once, whoever tells them at the same time."""

import threading

import pytest

from pratique.errors import DeniedError
from pratique.incident import kept_changes
from pratique.incident.foreign_change import foreign_change
from pratique.incident.kept_changes import KeptChanges


@pytest.fixture
def kept(tmp_path):
    return KeptChanges(tmp_path / "state")


def change(number, **more):
    found = {"time": 1795176000 + number, "service": "shop", "why": f"flag {number}", "id": str(number), **more}
    return foreign_change(found, source="test")


def test_nothing_is_kept_at_first(kept):
    assert kept.read() == ([], 0)
    assert not kept.path.parent.exists()


def test_changes_are_read_as_they_were_reported(kept):
    reported = [change(2, why='é "x" \n b'), change(1, services=["a", "b"], who="me", revision="r1", kind="flag")]
    assert kept.add(reported) == 2
    assert KeptChanges(kept.path.parent).read() == (reported, 0)


def test_a_change_with_a_known_source_and_id_is_kept_once(kept):
    assert kept.add([change(1), change(1, why="again")]) == 1
    assert kept.add([change(1, why="later"), change(2)]) == 1
    assert [one.why for one in kept.read()[0]] == ["flag 1", "flag 2"]
    assert kept.add([change(1, source="another")]) == 1


def test_a_line_that_was_cut_does_not_take_the_next_one_with_it(kept):
    kept.add([change(1), change(2)])
    kept.path.write_bytes(kept.path.read_bytes()[:-20])
    kept.add([change(3)])
    found, damaged = kept.read()
    assert ([one.id for one in found], damaged) == (["1", "3"], 1)


def test_the_oldest_are_dropped_when_there_are_too_many(kept, monkeypatch):
    monkeypatch.setattr(kept_changes, "MOST", 10)
    monkeypatch.setattr(kept_changes, "_SPARE", 2)
    for number in range(11):
        kept.add([change(number)])
    assert [one.id for one in kept.read()[0]] == [str(number) for number in range(3, 11)]


def test_those_who_tell_at_once_lose_nothing_and_double_nothing(kept):
    def tell(mine):
        for number in range(10):
            KeptChanges(kept.path.parent).add([change(number), change(100 * mine + number)])

    threads = [threading.Thread(target=tell, args=(mine,)) for mine in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, damaged = kept.read()
    assert damaged == 0
    assert sorted(int(one.id) for one in found) == sorted(
        [*range(10), *(100 * mine + number for mine in range(1, 5) for number in range(10))]
    )


def test_only_the_owner_may_read_the_file(kept):
    kept.add([change(1)])
    assert kept.path.stat().st_mode & 0o077 == 0


def test_a_folder_in_place_of_the_file_is_one_error(kept):
    kept.path.mkdir(parents=True)
    with pytest.raises(DeniedError, match="cannot be read"):
        kept.read()

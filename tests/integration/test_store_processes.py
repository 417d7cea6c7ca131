"""Several processes with one store: concurrent readers and writers, and writers that are killed."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from deltalake import DeltaTable

from contract.store_contract import by_key, content
from pratique.store import open_store
from support import store_child
from support.store_child import batch

pytestmark = pytest.mark.slow


@pytest.fixture
def start():
    processes = []

    def start(*arguments):
        command = [sys.executable, store_child.__file__, *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def finish(process):
    # Not communicate(): it would miss what readline() has read ahead.
    out, errors = process.stdout.read(), process.stderr.read()
    assert process.wait(60) == 0, errors
    return out


def model_of(numbers, source="collector"):
    return {key: values for number in numbers for key, values in by_key(batch(number, source=source)).items()}


def test_concurrent_readers_see_each_write_whole_or_not_at_all(tmp_path, start):
    folder = tmp_path / "store"
    windows = len({batch(number)[0]["window"] for number in range(60)})
    readers = [start("read", folder, windows) for _ in range(4)]
    for reader in readers:
        assert reader.stdout.readline() == "ready\n"
    finish(start("write", folder, 0, 60))
    reads = [int(finish(reader).split()[-1]) for reader in readers]
    assert min(reads) >= 3, "the readers came too late to see anything"
    assert content(open_store(str(folder))) == model_of(range(60))


def test_concurrent_writers_lose_nothing_and_count_nothing_twice(tmp_path, start):
    folder = tmp_path / "store"
    names = ["own-0", "own-1", "own-2"]
    for writer in [start("share", folder, name, 20) for name in names]:
        finish(writer)
    expected = {}
    for name in ["shared", *names]:
        expected.update(model_of(range(20), name))
    assert content(open_store(str(folder))) == expected


def test_killed_writer_leaves_acknowledged_writes_and_at_most_the_write_in_flight(tmp_path, start):
    folder = tmp_path / "store"
    chance = random.Random(20261120)
    model, number = {}, 0
    for _ in range(24):
        writer = start("write", folder, number, 10_000)
        said = [writer.stdout.readline() for _ in range(chance.randrange(1, 12))]
        # A write takes some 30 ms: the first ones make the table, later ones merge files and write checkpoints.
        time.sleep(chance.uniform(0.0, 0.04))
        os.kill(writer.pid, signal.SIGKILL)
        begun, done = told([*said, *writer.stdout.readlines()])
        model.update(model_of(sorted(done)))
        found = content(open_store(str(folder)))
        if found != model:
            (in_flight,) = begun - done
            model.update(model_of([in_flight]))
        assert found == model
        number = max(begun, default=number - 1) + 1
    assert number > 50, "the writers got nothing done"
    store = open_store(str(folder))
    store.maintain()
    assert content(store) == model
    assert DeltaTable(str(folder)).to_pyarrow_dataset().count_rows() == len(model)


def told(said):
    """Which batches a writer said it began, and which were acknowledged; a line cut short by its death is none."""
    lines = [line.split() for line in said if line.endswith("\n")]
    begun = {int(line[1]) for line in lines if line[0] == "begin"}
    return begun, {int(line[1]) for line in lines if line[0] == "done"}


def test_merge_of_one_process_does_not_break_a_write_of_another(tmp_path, start):
    folder = tmp_path / "store"
    store = open_store(str(folder))
    writer = start("write", folder, 0, 60)
    while writer.poll() is None:
        store.maintain()
    finish(writer)
    assert content(store) == model_of(range(60))

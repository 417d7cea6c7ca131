"""The processes that hold a lock are found in the kernel's table, and named."""

import fcntl
import os
import subprocess

import psutil

from pratique.lock_holders import describe_process, is_pratique, lock_holders


def test_the_holder_of_a_lock_is_found_and_nobody_else(tmp_path):
    with (tmp_path / "lock").open("w") as file, (tmp_path / "lock").open() as other:
        assert lock_holders(other.fileno()) == []
        fcntl.flock(file, fcntl.LOCK_EX)
        assert lock_holders(other.fileno()) == [os.getpid()]


def test_every_reader_is_found(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    readers = [
        subprocess.Popen(
            ["flock", "--no-fork", "-s", path, "sh", "-c", "echo held; exec sleep 60"], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        assert [reader.stdout.readline() for reader in readers] == [b"held\n"] * 2
        with path.open() as file:
            assert lock_holders(file.fileno()) == sorted(reader.pid for reader in readers)
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()


def test_a_process_is_named_with_user_and_command():
    assert f"process {os.getpid()} of {psutil.Process().username()} (" in describe_process(os.getpid())


def test_a_command_of_pratique_is_recognised():
    words = {"pratique.cli": True, "/usr/bin/pratique": True, "pratique.toml": False}
    for word, expected in words.items():
        child = subprocess.Popen(
            ["sh", "-c", "echo begun; read end", word], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            # before its first output the kernel may not show its words yet
            child.stdout.readline()
            assert is_pratique(child.pid) is expected
        finally:
            child.kill()
            child.communicate()
    assert not is_pratique(child.pid)


def test_a_process_that_has_ended_is_named_by_its_id():
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert describe_process(ended.pid) == f"process {ended.pid}"


def test_a_command_cannot_move_the_cursor():
    child = subprocess.Popen(["sh", "-c", "sleep 60; true", "\x1b[2J"])
    try:
        assert "\x1b" not in describe_process(child.pid)
    finally:
        child.kill()
        child.wait()

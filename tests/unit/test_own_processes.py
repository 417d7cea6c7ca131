"""Only a process of this user that runs the program is believed."""

import subprocess
import sys

import psutil
import pytest

from pratique.own_processes import has_ended, own_processes, pid_namespace, runs_as_us
from support.other_user import AS_NOBODY, SYSTEM_PYTHON, needs_root
from support.waiting import eventually

WAIT = "import sys; print('runs', flush=True); sys.stdin.read()"


@pytest.fixture
def start(tmp_path):
    started = []

    def start(*words):
        process = subprocess.Popen([*map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        started.append(process)
        assert process.stdout.readline() == b"runs\n"
        return psutil.Process(process.pid)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_that_runs_the_program_is_found(start):
    process = start(sys.executable, "-I", "-c", WAIT, "/lib/pratique/runtime/supervise.py")
    assert runs_as_us(process, "runtime/supervise.py")
    assert process in own_processes("runtime/supervise.py")


@pytest.mark.parametrize("word", ["/lib/runtime/xsupervise.py", "/lib/xruntime/supervise.py", "supervise.py"])
def test_a_process_that_runs_another_program_is_not(start, word):
    assert not runs_as_us(start(sys.executable, "-I", "-c", WAIT, word), "runtime/supervise.py")


@needs_root
def test_a_process_of_another_user_is_not(start):
    process = start(*AS_NOBODY, SYSTEM_PYTHON, "-I", "-c", WAIT, "/lib/pratique/runtime/supervise.py")
    assert not runs_as_us(process, "runtime/supervise.py")


def test_a_process_that_has_ended_is_not(start):
    process = start(sys.executable, "-c", WAIT, "runtime/supervise.py")
    process.kill()
    process.wait()
    assert not runs_as_us(process, "runtime/supervise.py")


def test_a_killed_process_has_ended_before_and_after_its_parent_noticed(start):
    process = start(sys.executable, "-I", "-c", WAIT)
    here = pid_namespace()
    assert not has_ended(process.pid, here)
    process.kill()
    eventually(lambda: process.status() == psutil.STATUS_ZOMBIE)
    assert has_ended(process.pid, here)
    process.wait()
    assert has_ended(process.pid, here)


@pytest.mark.parametrize("namespace", ["", "pid:[1]"])
def test_a_process_of_another_container_is_not_known_to_have_ended(namespace):
    assert not has_ended(2**22 + 1, namespace)
    assert not has_ended(0, pid_namespace())

"""`pratique import` of what nobody should give it: memory, time and messages stay within their bounds."""

import gzip
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pratique.config import load
from pratique.store import open_store

pytestmark = pytest.mark.slow
IMPORT_MB = 512


def line(number, revision=None, **change):
    body = {
        "time": 1_760_000_000_000 + 20 * number,
        "service": "shop",
        "revision": revision or f"r{number % 2 + 1}",
        "method": "GET",
        "path": "/a",
        "code": 200,
        "duration_ms": 5.0,
    }
    return json.dumps(body | change) + "\n"


def good(count=3000):
    return "".join(map(line, range(count)))


class Import:
    """One finished import: its output, exit status, most memory in MB, and what is stored."""

    def __init__(self, folder, *arguments, stdin=subprocess.DEVNULL, fmt="jsonl"):
        (folder / "pratique.toml").touch()
        command = [sys.executable, "-m", "pratique.cli", "import", *arguments, "--service", "shop", "--format", fmt]
        with (folder / "output").open("w+") as output:
            process = psutil.Popen(command, cwd=folder, stdin=stdin, stdout=output, stderr=output)
            self.most_mb = 0.0
            while (status := wait(process)) is None:
                self.most_mb = max(self.most_mb, memory_mb(process))
            self.status = status
        self.text = (folder / "output").read_text()
        self._folder = folder

    def stored(self):
        store = open_store(load(self._folder / "pratique.toml").store)
        return {seen.revision: seen.requests for seen in store.revisions("shop")}


def wait(process):
    try:
        return process.wait(0.02)
    except psutil.TimeoutExpired:
        return None


def memory_mb(process):
    try:
        return process.memory_info().rss / 1e6
    except psutil.NoSuchProcess:
        return 0.0


BOTH = {"r1": 1500, "r2": 1500}


def test_line_without_an_end_is_rejected_with_its_number(tmp_path):
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        file.write(good().encode())
        for _ in range(16):
            file.write(b"a" * (1 << 24))
    done = Import(tmp_path, "a.gz")
    assert done.stored() == BOTH
    assert "longer than 1,048,576 bytes" in done.text
    reject = json.loads((tmp_path / ".pratique/rejects/shop.jsonl").read_text())
    assert (reject["line"], len(reject["text"])) == (3001, 2000)
    assert done.most_mb < IMPORT_MB


@pytest.mark.parametrize(
    "long", ["b" * 100_000_000 + "\n", line(0, path="/" + "c" * 100_000_000)], ids=["text", "json"]
)
def test_long_line_among_good_ones_is_rejected_alone(tmp_path, long):
    (tmp_path / "a").write_text(good() + long + good(0))
    done = Import(tmp_path, "a")
    assert (done.stored(), done.status) == (BOTH, 0)
    assert "1 line rejected" in done.text
    assert done.most_mb < IMPORT_MB


@pytest.mark.parametrize("bad", [b"\n", b"x\n", b"[" * 900_000 + b"\n"], ids=["empty", "short", "deep"])
def test_memory_does_not_grow_with_rejected_lines(tmp_path, bad):
    count = 400_000 if len(bad) < 10 else 20
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        file.write(good().encode() + bad * count)
    done = Import(tmp_path, "a.gz")
    assert done.stored() == BOTH
    assert f"{count:,} lines rejected" in done.text
    assert done.most_mb < IMPORT_MB


def wrapped(kind, text, *, ended=True):
    """A line as Docker's json-file, CRI or journald write it. ended: whether it is the last piece of a line."""
    if kind == "docker":
        return json.dumps({"log": text + "\n" * ended, "stream": "stdout", "time": "2026-11-20T10:00:00Z"}) + "\n"
    if kind == "cri":
        return f"2026-11-20T10:00:00.000000000Z stdout {'F' if ended else 'P'} {text}\n"
    return json.dumps({"__REALTIME_TIMESTAMP": "1760000000000000", "MESSAGE": text}) + "\n"


@pytest.mark.parametrize("kind", ["docker", "cri", "journald"])
def test_line_without_an_end_within_a_wrapper_costs_no_other_line(tmp_path, kind):
    lines = good().splitlines()
    with (tmp_path / "a.log").open("w") as file:
        file.writelines(wrapped(kind, text) for text in lines[:1500])
        for _ in range(6000):
            file.write(wrapped(kind, "x" * (1 << 14), ended=False))
        file.write(wrapped(kind, "x" * (3 << 20)))
        file.writelines(wrapped(kind, text) for text in lines[1500:])
    done = Import(tmp_path, "a.log")
    assert (done.status, done.stored()) == (0, BOTH)
    assert "6,001 lines rejected" in done.text
    assert done.most_mb < IMPORT_MB


def test_names_beyond_the_bounds_are_stored_as_other_and_named(tmp_path):
    (tmp_path / "a").write_text("".join(line(n, f"rev{n}", action=f"/u/{n}", host=f"h{n}") for n in range(20_000)))
    done = Import(tmp_path, "a")
    stored = done.stored()
    assert (len(stored), stored["other"], sum(stored.values())) == (1001, 19_000, 20_000)
    assert len(done.text.splitlines()) < 20
    assert "and 991 more revisions" in done.text
    for kind, count in {"revision": "19,000", "host": "19,000", "action": "19,500"}.items():
        assert f"{count} requests are stored under the {kind} 'other'" in done.text
    assert "probably --revision-from" in done.text


def test_many_actions_are_compared_within_seconds(tmp_path):
    (tmp_path / "a").write_text("".join(line(n, action=f"/u/{n // 2}") for n in range(40_000)))
    assert Import(tmp_path, "a").stored() == {"r1": 20_000, "r2": 20_000}
    command = [sys.executable, "-m", "pratique.cli", "compare", "shop", "r1", "r2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode < 64, done.stderr
    assert "canary against" in done.stdout


@pytest.mark.parametrize("give", ["-", "/dev/stdin", "fifo"])
def test_pipe_is_read_to_its_end(tmp_path, give):
    if give == "fifo":
        os.mkfifo(tmp_path / give)
        threading.Thread(target=(tmp_path / give).write_text, args=(good(),), daemon=True).start()
        done = Import(tmp_path, give)
        assert "'fifo' is a pipe: reading until its writer closes it" in done.text
    else:
        (tmp_path / "a").write_text(good())
        with (tmp_path / "a").open() as stdin:
            done = Import(tmp_path, give, stdin=stdin)
    assert (done.stored(), done.status) == (BOTH, 0)


@pytest.mark.parametrize(
    ("given", "status", "text"),
    [
        ("/dev/zero", 64, "is a device"),
        ("/dev/null", 0, "warning: there was nothing to import"),
        (".", 64, "is a folder: name its files"),
    ],
)
def test_input_that_is_not_a_log_is_named_in_one_line(tmp_path, given, status, text):
    done = Import(tmp_path, given)
    assert (done.status, text in done.text) == (status, True), done.text


def test_byte_order_mark_costs_no_line(tmp_path):
    (tmp_path / "a").write_text("\ufeff" + good())
    assert Import(tmp_path, "a").stored() == BOTH


def test_lines_of_other_services_are_counted_apart(tmp_path):
    (tmp_path / "a").write_text("".join(line(n, "r1", service=("cart", "pay", "shop")[n % 3]) for n in range(3000)))
    done = Import(tmp_path, "a")
    assert done.stored() == {"r1": 1000}
    assert "2,000 lines of other services, not stored" in done.text
    assert "rejected" not in done.text


def test_value_of_another_type_is_rejected_with_its_reason(tmp_path):
    odd = [
        {"code": True},
        {"code": 200.9},
        {"code": "two hundred"},
        {"time": True},
    ]
    (tmp_path / "a").write_text(good() + "".join(line(0, **change) for change in odd))
    done = Import(tmp_path, "a")
    assert (done.stored(), f"{len(odd)} lines rejected" in done.text) == (BOTH, True)
    for reason in ("its status is not a status code", "its 'time' is true, which is no text or number"):
        assert reason in done.text


def test_log_given_twice_counts_once(tmp_path):
    (tmp_path / "a").write_text(good(300))
    (tmp_path / "grown").write_text(good(300) + line(300, "r3"))
    done = Import(tmp_path, "a", "grown", "./a")
    assert done.stored() == {"r1": 150, "r2": 150, "r3": 1}
    assert "2 files are copies" in done.text


def test_imports_at_the_same_time_lose_nothing_and_double_nothing(tmp_path):
    (tmp_path / "pratique.toml").touch()
    for number in range(4):
        (tmp_path / f"log{number}").write_text("".join(line(n, f"r{number}") for n in range(500)))
    command = [sys.executable, "-m", "pratique.cli", "import", "--service", "shop", "--format", "jsonl"]
    for _ in range(2):
        running = [
            subprocess.Popen([*command, f"log{number % 4}"], cwd=tmp_path, stdout=subprocess.DEVNULL)
            for number in range(8)
        ]
        assert [process.wait(120) for process in running] == [0] * 8
    store = open_store(load(tmp_path / "pratique.toml").store)
    assert {seen.revision: seen.requests for seen in store.revisions("shop")} == dict.fromkeys(
        ("r0", "r1", "r2", "r3"), 500
    )
    assert len(json.loads(Path(tmp_path, ".pratique/imports.json").read_text())) == 4

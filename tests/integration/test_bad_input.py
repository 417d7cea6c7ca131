"""Every invalid input is one line on standard error with the right exit status, and loses no data."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LINE = (
    '10.0.0.1 - - [20/Nov/2026:12:00:{second:02d} +0000] "GET /cart HTTP/1.1" 200 512 "-" "agent/1" 0.012 {revision}\n'
)
FORMAT = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time $revision'


def pratique(*arguments, cwd, env=None, prefix=()):
    return subprocess.run(
        [*prefix, sys.executable, "-m", "pratique.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def import_log(path, cwd, **kwargs):
    arguments = ["import", str(path), "--service", "shop", "--format", "combined"]
    return pratique(*arguments, "--log-format", FORMAT, "--revision-from", "revision", cwd=cwd, **kwargs)


def stored(cwd):
    return json.loads(pratique("revisions", "--json", cwd=cwd).stdout)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A working folder whose store has two revisions of a shop."""
    folder = tmp_path_factory.mktemp("filled")
    log = folder / "access.log"
    log.write_text("".join(LINE.format(second=i % 60, revision=f"r{1 + i % 2}") for i in range(400)))
    done = import_log(log, folder)
    assert done.returncode == 0, done.stderr
    return folder


def assert_one_line(done, exit_status, *words):
    assert done.returncode == exit_status, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("pratique: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_missing_file_is_one_line(filled):
    before = stored(filled)
    assert_one_line(import_log(filled / "nowhere.log", filled), 66, "nowhere.log")
    assert stored(filled) == before


def test_a_truncated_gz_stores_nothing(filled):
    before = stored(filled)
    whole = gzip.compress("".join(LINE.format(second=i % 60, revision="r9") for i in range(5000)).encode())
    (filled / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    assert_one_line(import_log(filled / "cut.log.gz", filled), 65, "cut.log.gz", "truncated")
    assert stored(filled) == before


def test_a_wrong_format_stores_nothing(filled):
    before = stored(filled)
    done = pratique("import", "access.log", "--service", "shop", "--format", "haproxy", "--revision", "r9", cwd=filled)
    assert_one_line(done, 65, "access.log")
    assert stored(filled) == before


def test_an_unknown_service_is_one_line(filled):
    assert_one_line(pratique("compare", "shpo", "r1", "r2", cwd=filled), 66, "shpo")


def test_an_unknown_revision_lists_the_known_revisions(filled):
    assert_one_line(pratique("compare", "shop", "r1", "r7", cwd=filled), 66, "r7", "r1", "r2")


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [("2026-11-21T00:00", "2026-11-22T00:00", 66), ("2026-11-20T13:00", "2026-11-20T12:00", 64)],
)
def test_an_empty_time_range_is_one_line(filled, start, end, status):
    done = pratique("compare", "shop", "r1", "r2", "--start", start, "--end", end, cwd=filled)
    assert_one_line(done, status, start[:10])


def test_json_on_standard_output_is_one_object_and_nothing_else(filled):
    done = pratique("compare", "shop", "r1", "r2", "--json", cwd=filled)
    found = json.loads(done.stdout)
    assert done.returncode == {"promote": 0, "rollback": 1}.get(found["verdict"], 2)
    wanted = {"verdict", "reason", "service", "baseline", "canary", "start", "end", "requests", "guards"}
    assert wanted <= set(found)
    keys = {"guard", "action", "bad", "requests", "ratio", "ratio_low", "ratio_high", "excess", "excess_high"}
    assert found["guards"]
    assert all(keys | {"e_value", "first_fired", "state", "reason"} <= set(guard) for guard in found["guards"])


def test_a_broken_service_file_names_file_line_and_key(filled):
    (filled / "broken.toml").write_text("[services.shop.judge]\n\nalhpa = 0.01\n")
    done = pratique("compare", "shop", "r1", "r2", "--config", "broken.toml", cwd=filled)
    assert_one_line(done, 78, "broken.toml:3", "alhpa")


def test_a_missing_store_is_one_line(tmp_path):
    assert_one_line(
        pratique("compare", "shop", "r1", "r2", "--store", "nothing-here", cwd=tmp_path), 66, "nothing-here"
    )


def test_a_folder_without_a_store_is_one_line(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"\xff\xd8")
    done = pratique("compare", "shop", "r1", "r2", "--store", "photos", cwd=tmp_path)
    assert done.returncode in {65, 66}
    assert_one_line(done, done.returncode, "photos")


def test_wrong_usage_exits_with_64_and_names_the_help_option(filled):
    assert_one_line(pratique("compare", cwd=filled), 64, "--help")
    assert_one_line(pratique("compare", "shop", "r1", "r2", "--start", "noon", cwd=filled), 64, "noon")
    assert_one_line(pratique("compare", "../shop", "r1", "r2", cwd=filled), 64, "is not a name")
    assert_one_line(pratique("nonsense", cwd=filled), 64, "nonsense")


def test_an_unknown_parameter_is_an_error_before_a_kernel_starts(filled):
    done = pratique("run", "release", "-p", "servcie", "shop", "-p", "revision", "r2", cwd=filled)
    assert_one_line(done, 64, "servcie", "service")


def test_a_parameter_of_the_wrong_type_is_an_error_before_a_kernel_starts(filled):
    done = pratique(
        "run", "release", "-p", "service", "shop", "-p", "revision", "r2", "-p", "dry_run", "maybe", cwd=filled
    )
    assert_one_line(done, 64, "dry_run", "maybe")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_store_without_permission_is_one_line(filled):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, 65534, 65534)
        (folder / "store").mkdir(mode=0o700)
        (folder / "access.log").write_text((filled / "access.log").read_text())
        done = import_log(
            folder / "access.log",
            folder,
            env={"PRATIQUE_STORE": str(folder / "store")},
            prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
        )
        assert_one_line(done, 77, "store")
        assert list((folder / "store").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_loses_no_stored_data(filled, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here: run as root with CAP_SYS_ADMIN")
    try:
        env = {"PRATIQUE_STORE": str(disk / "store")}
        first = import_log(filled / "access.log", filled, env=env)
        assert first.returncode == 0, first.stderr
        before = pratique("revisions", "--json", cwd=filled, env=env).stdout
        (disk / "filler").write_bytes(b"x" * (disk_free(disk) - 4096))
        big = tmp_path / "big.log"
        big.write_text("".join(LINE.format(second=i % 60, revision=f"n{i % 400}") for i in range(20000)))
        assert_one_line(import_log(big, filled, env=env), 74)
        assert pratique("revisions", "--json", cwd=filled, env=env).stdout == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def disk_free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def test_a_clock_that_goes_backwards_in_a_log_is_reported_and_loses_no_line(filled, tmp_path):
    log = tmp_path / "back.log"
    log.write_text("".join(LINE.format(second=second, revision="r1") for second in [30, 31, 5, 6, 32]))
    done = import_log(log, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5" in done.stdout
    assert "back" in done.stdout
    assert stored(tmp_path)[0]["requests"] == 5

"""Problems with a store that a user can fix: permissions, a full disk, a wrong folder, a damaged table."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from contract.store_contract import by_key, content, rollups, row
from pratique.errors import DataError, DeniedError, UnavailableError, UsageError
from pratique.store import open_store
from pratique.store.delta_log import DeltaLog
from pratique.store.location import Location

NOBODY = 65534


@contextmanager
def unprivileged():
    """Do as a user without rights does; root, who may do anything, becomes nobody meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder that everybody may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="pratique-store-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_store_without_permission_is_denied_by_name(open_folder):
    folder = open_folder / "store"
    store = open_store(str(folder))
    store.write(rollups(row()))
    folder.chmod(0o000)
    with unprivileged():
        for ask in (store.exists, lambda: store.read("shop", ["r1"]), store.revisions, store.maintain):
            with pytest.raises(DeniedError, match=f"{folder}.*permission denied"):
                ask()
        with pytest.raises(DeniedError, match=str(folder)):
            store.write(rollups(row(1)))
    folder.chmod(0o755)
    assert content(store) == by_key([row()])


def test_read_only_store_is_read_and_not_written(open_folder):
    store = open_store(str(open_folder / "store"))
    store.write(rollups(row(60)))
    for path in [open_folder / "store", *(open_folder / "store").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with unprivileged():
        assert content(store) == by_key([row(60)])
        assert store.revisions()[0].requests == 1
        with pytest.raises(DeniedError, match="cannot be written"):
            store.write(rollups(row(61)))
    assert content(store) == by_key([row(60)])


def test_store_that_cannot_be_created_is_denied_on_write(open_folder):
    store = open_store(str(open_folder / "store"))
    open_folder.chmod(0o555)
    with unprivileged():
        assert not store.exists()
        with pytest.raises(DeniedError, match="cannot be written"):
            store.write(rollups(row()))
    open_folder.chmod(0o755)
    assert not (open_folder / "store").exists()


def test_data_file_without_permission_is_denied(open_folder):
    store = open_store(str(open_folder / "store"))
    store.write(rollups(row()))
    for path in (open_folder / "store").rglob("*.parquet"):
        path.chmod(0o000)
    with unprivileged():
        with pytest.raises(DeniedError, match="cannot be read"):
            store.read("shop", ["r1"])
        with pytest.raises(DeniedError, match="cannot be read"):
            store.revisions()


FULL_DISK = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from contract.store_contract import by_key, content, rollups, row
from pratique.errors import StorageError
from pratique.store import open_store

disk = Path(sys.argv[1])
store = open_store(str(disk / "store"))
acknowledged, refused = [], []
(disk / "filler").write_bytes(b"x" * 150_000)
for window in range(200):
    batch = [row(window, action=f"GET /{window}/{number}", n=window + 1) for number in range(20)]
    try:
        store.write(rollups(*batch))
        acknowledged += batch
    except StorageError as error:
        refused.append(str(error))
        if len(refused) > 5:
            break
found = content(store)
lost = [key for key in by_key(acknowledged) if key not in found]
extra = len(found) - len(acknowledged)
files = len(list(disk.rglob("*.parquet")))
(disk / "filler").unlink()
store.write(rollups(*batch))
again = content(store) == by_key(acknowledged + batch)
print(json.dumps({"written": len(acknowledged), "refused": refused, "lost": len(lost), "extra": extra, "again": again}))
"""


@pytest.mark.slow
def test_full_disk_is_an_error_and_keeps_stored_rows(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "full.py"
    script.write_text(FULL_DISK)
    # an own mount vanishes with the process; a user who is not root gets it as root of a new namespace
    space = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    mount = 'mount -t tmpfs -o size=320k none "$1" || exit 99; exec "$2" "$3" "$1" "$4"'
    arguments = [str(disk), sys.executable, str(script), str(Path(__file__).parents[1])]
    ran = subprocess.run(
        [*space, "sh", "-c", mount, "sh", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    if ran.returncode == 99 or "unshare" in ran.stderr:
        pytest.skip(f"a small disk cannot be mounted here: {ran.stderr.strip()[:200]}")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["written"] > 0
    assert len(told["refused"]) == 6
    assert all("the disk is full" in message for message in told["refused"])
    assert (told["lost"], told["extra"], told["again"]) == (0, 0, True)


def test_folder_of_something_else_is_refused_and_unchanged(tmp_path):
    (tmp_path / "thesis.odt").write_text("years of work")
    store = open_store(str(tmp_path))
    for ask in (store.exists, lambda: store.read("shop", ["r1"]), lambda: store.write(rollups(row()))):
        with pytest.raises(DataError, match=r"is not a store: it has no _delta_log but has 'thesis.odt'"):
            ask()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_file_is_refused(tmp_path):
    file = tmp_path / "store"
    file.write_text("x")
    with pytest.raises(DataError, match="is a file, not a folder"):
        open_store(str(file)).read("shop", ["r1"])
    with pytest.raises(DataError, match="is a file, not a folder"):
        open_store(str(file / "below")).read("shop", ["r1"])


def test_empty_and_incomplete_folders_become_a_store(tmp_path):
    (tmp_path / "store" / "_delta_log").mkdir(parents=True)
    (tmp_path / "store" / "_delta_log" / "00000000000000000000.json#1").write_text('{"half')
    store = open_store(str(tmp_path / "store"))
    assert not store.exists()
    store.write(rollups(row()))
    assert content(store) == by_key([row()])


@pytest.mark.parametrize("text", ["", "garbage{", '{"add": 3}', "\0" * 100, "[" * 5000])
def test_damaged_log_is_an_error_of_one_line(tmp_path, text):
    store = open_store(str(tmp_path / "store"))
    store.write(rollups(row()))
    (tmp_path / "store" / "_delta_log" / f"{1:020d}.json").write_text(text)
    wrong = "is empty, so requests are missing: delete that file" if text == "" else "it is damaged"
    with pytest.raises(DataError, match=wrong) as raised:
        store.read("shop", ["r1"])
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400
    with pytest.raises(DataError):
        store.write(rollups(row(1)))


def test_truncated_data_file_is_an_error_for_rows_and_sums(tmp_path):
    store = open_store(str(tmp_path / "store"))
    store.write(rollups(row()))
    (path,) = (tmp_path / "store").rglob("part-*.parquet")
    path.write_bytes(path.read_bytes()[:-40])
    for ask in (lambda: store.read("shop", ["r1"]), store.revisions, lambda: store.query("SELECT * FROM rollups")):
        with pytest.raises(DataError, match="damaged"):
            ask()


def test_delta_table_of_something_else_is_refused(tmp_path):
    write_deltalake(str(tmp_path / "other"), pa.table({"x": [1]}))
    with pytest.raises(DataError, match="not a store of Pratique: it has no column 'window'"):
        open_store(str(tmp_path / "other")).read("shop", ["r1"])


def test_table_with_deletion_vectors_is_refused(tmp_path):
    store = open_store(str(tmp_path / "store"))
    store.write(rollups(row()))
    table = DeltaTable(str(tmp_path / "store"))
    table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(DataError, match="uses a feature of Delta Lake that Pratique cannot read: deletionVectors"):
        store.read("shop", ["r1"])
    with pytest.raises(DataError, match="deletionVectors"):
        store.write(rollups(row(1)))


def test_url_with_an_unknown_scheme_is_a_usage_error():
    with pytest.raises(UsageError, match="has an unknown scheme"):
        open_store("ftp://host/store")


def test_unreachable_object_storage_is_unavailable_and_shows_no_secret():
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_REGION": "eu-west-1",
        "max_retries": "0",
    }
    store = open_store("s3://bucket/store")
    store._log = DeltaLog(Location(store.url, None, options))
    for ask in (store.exists, lambda: store.read("shop", ["r1"]), lambda: store.write(rollups(row()))):
        with pytest.raises(UnavailableError, match=r"s3://bucket/store.*does not answer") as raised:
            ask()
        assert "secret" not in str(raised.value)
        assert "secret" not in repr(store) + repr(store._log.location)

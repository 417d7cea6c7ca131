"""Notebooks in real kernels: errors are raised again unchanged, and the executed notebook is always kept."""

import errno
import html
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pratique.config import Config, StoreSettings
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, StorageError, UsageError
from pratique.notebook import run_notebook
from pratique.notebook.find import find_notebook
from pratique.report import write_report
from pratique.report.written_page import write_text
from pratique.store import open_store
from support.report_samples import HOSTILE, START, sample_rollups

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]


def notebook(folder, *sources, parameters='name: str = "x"  # a name'):
    """A notebook of code cells, the first of them its parameters."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{n}",
            "metadata": {"tags": ["parameters"]} if n == 0 else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for n, source in enumerate([parameters, *sources])
    ]
    path = folder / "job {braces}.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def outputs(path):
    return json.dumps([cell.get("outputs") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A state folder whose store has the sample canary after 30 minutes of history."""
    folder = tmp_path_factory.mktemp("state")
    made = Config(store=StoreSettings(url=str(folder / "store")), state=str(folder))
    open_store(made.store.url).write(sample_rollups(history=30))
    return made


def test_parameters_reach_the_notebook_and_its_printed_lines_come_back(tmp_path):
    lines = []
    source = notebook(tmp_path, "import os, sys; print(name); print(os.environ['EXTRA']); print('no newline', end='')")
    text = "quote ' \" \\ {braces} é\nline"
    kept = run_notebook(
        source, {"name": text}, tmp_path / "a" / "out {x}.ipynb", progress=lines.append, env={"EXTRA": "yes"}
    )
    assert lines == ["quote ' \" \\ {braces} é", "line", "yes", "no newline"]
    assert kept == tmp_path / "a" / "out {x}.ipynb"
    assert [path.name for path in kept.parent.iterdir()] == ["out {x}.ipynb"]


def test_the_kernel_uses_the_current_interpreter_and_no_port(tmp_path):
    lines = []
    code = "import sys, ipykernel.kernelapp as k; app = k.IPKernelApp.instance(); print(sys.executable); print(app.transport)"
    run_notebook(notebook(tmp_path, code), {}, tmp_path / "out.ipynb", progress=lines.append)
    assert lines == [sys.executable, "ipc"]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (
            "from pratique.errors import MissingError; raise MissingError('no\\n such service')",
            MissingError,
            "no such service",
        ),
        ("from pratique.errors import DataError; raise DataError('truncated')", DataError, "truncated"),
        (
            "1 / 0",
            PratiqueError,
            r"job \{braces\} failed in cell 3: ZeroDivisionError: division by zero: see .*out\.ipynb",
        ),
    ],
)
def test_an_error_comes_back_as_it_was_raised_and_the_notebook_is_kept(tmp_path, code, kind, message):
    kept = tmp_path / "out.ipynb"
    with pytest.raises(kind, match=message) as caught:
        run_notebook(notebook(tmp_path, "print('before')", code, "print('after')"), {}, kept)
    assert type(caught.value) is kind
    assert "before" in outputs(kept)
    assert "after" not in outputs(kept)
    assert [path.name for path in tmp_path.iterdir() if "running" in path.name] == []


def test_a_dead_kernel_is_an_error_and_the_completed_cells_are_kept(tmp_path):
    kept = tmp_path / "out.ipynb"
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(PratiqueError, match=r"the kernel of .* died .*out\.ipynb"):
        run_notebook(notebook(tmp_path, "print('before')", code), {}, kept)
    assert "before" in outputs(kept)


def test_wrong_parameters_start_no_kernel_and_write_nothing(tmp_path):
    with pytest.raises(UsageError, match="has no parameter 'nam'"):
        run_notebook(notebook(tmp_path, "1"), {"nam": "x"}, tmp_path / "out" / "x.ipynb")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_write_permission_is_a_denied_error(tmp_path):
    """Root can write everywhere except where the operating system itself refuses."""
    (tmp_path / "closed").mkdir(mode=0o500)
    closed = Path("/sys") if os.geteuid() == 0 else tmp_path / "closed"
    with pytest.raises(DeniedError, match=r"cannot write '/.*check the permissions"):
        run_notebook(notebook(tmp_path, "1"), {}, closed / "pratique" / "out.ipynb")


def test_a_file_in_place_of_a_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write '/.*check the path"):
        run_notebook(notebook(tmp_path, "1"), {}, tmp_path / "file" / "out.ipynb")


def test_a_full_disk_is_a_storage_error_and_leaves_the_old_file(tmp_path, monkeypatch):
    """fsync raises the error, as on a real full disk."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    old = tmp_path / "report.html"
    old.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device: free some disk space"):
        write_text(old, "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "old")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_signal_the_running_cell_undoes_its_work_and_no_further_cell_runs(tmp_path, number):
    undone, begun = tmp_path / "undone", tmp_path / "begun"
    code = (
        "import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        f"try:\n    pathlib.Path({str(begun)!r}).touch(); time.sleep(60)\nfinally:\n    pathlib.Path({str(undone)!r}).touch()"
    )
    script = (
        "import sys; from pratique.notebook import run_notebook\n"
        "try:\n    run_notebook(sys.argv[1], {}, sys.argv[2])\nexcept KeyboardInterrupt:\n    sys.exit(130)"
    )
    source = notebook(tmp_path, code, f"open({str(tmp_path / 'after')!r}, 'w')")
    runner = subprocess.Popen([sys.executable, "-c", script, source, tmp_path / "out.ipynb"], start_new_session=True)
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline, "the cell did not begin"
        time.sleep(0.02)
    runner.send_signal(number)
    assert runner.wait(60) == 130
    assert undone.exists()
    assert not (tmp_path / "after").exists()
    assert (tmp_path / "out.ipynb").exists()


def test_a_report_is_a_page_a_verdict_and_the_notebook(config, tmp_path):
    paths = write_report(config, "shop", "r2", "r3", start=START, out_dir=tmp_path)
    verdict = json.loads(paths.json.read_text())
    assert (verdict["verdict"], verdict["service"], verdict["canary"]) == ("rollback", "shop", "r3")
    page = paths.html.read_text()
    assert page.count("plotly.js v") == 1
    assert "<strong>Rollback</strong>" in page
    assert verdict["summary"] in html.unescape(page).replace("\u00a0", " ")
    for heading in (
        "Differences",
        "Status codes",
        "Traffic over time",
        "Guards",
        "Findings",
        "Reproduce this report",
    ):
        assert heading in page
    assert page.count('class="figure"') == 6
    assert "pratique report shop r2 r3 --start 2026-11-20T14:00:00Z" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (paths.html, paths.json, paths.notebook)
    )
    assert paths.html.stat().st_mode & 0o777 == 0o644


def test_an_unknown_revision_is_the_same_error_as_without_a_notebook(config, tmp_path):
    with pytest.raises(MissingError, match=r"'r9'"):
        write_report(config, "shop", "r2", "r9", out_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_hostile_revision_names_give_safe_file_names(tmp_path):
    made = Config(store=StoreSettings(url=str(tmp_path / "store")), state=str(tmp_path))
    names = {"r2": "../../etc/passwd", "r3": HOSTILE[3]}
    open_store(made.store.url).write(sample_rollups(names=names))
    paths = write_report(made, "shop", names["r2"], names["r3"], out_dir=tmp_path / "out")
    assert paths.html.parent == tmp_path / "out"
    assert paths.html.exists()
    assert set(paths.html.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_plain_papermill_writes_the_same_report(config, tmp_path):
    command = [sys.executable, "-m", "papermill", "notebooks/canary_report.ipynb", str(tmp_path / "out.ipynb")]
    values = {
        "service": "shop",
        "baseline": "r2",
        "canary": "r3",
        "start": START.isoformat(),
        "store": config.store.url,
        "out": str(tmp_path),
    }
    pairs = [word for name, value in values.items() for word in ("-r", name, value)]
    subprocess.run(
        [*command, *pairs], cwd=ROOT, check=True, capture_output=True, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )
    stem = "shop-r2-r3-20261120T140000Z"
    assert json.loads((tmp_path / f"{stem}.json").read_text())["verdict"] == "rollback"
    assert (tmp_path / f"{stem}.html").read_text().count('class="figure"') == 6


def test_a_report_can_be_written_from_inside_a_notebook(config, tmp_path):
    """A runbook does so: papermill runs in a kernel that papermill started."""
    code = (
        "from pratique.config import Config, StoreSettings\nfrom pratique.report import write_report\n"
        f"made = Config(store=StoreSettings(url={config.store.url!r}), state={config.state!r})\n"
        f"print(write_report(made, 'shop', 'r2', 'r3', start=__import__('datetime').datetime.fromisoformat({START.isoformat()!r}), out_dir=__import__('pathlib').Path({str(tmp_path / 'r')!r})).html)"
    )
    lines = []
    run_notebook(notebook(tmp_path, code), {}, tmp_path / "out.ipynb", progress=lines.append)
    assert Path(lines[-1]).exists()


def pratique(*words, folder):
    command = [sys.executable, "-m", "pratique.cli", "run", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_parameters_that_json_cannot_hold_are_refused_before_a_kernel_starts(tmp_path):
    source = notebook(tmp_path, "1", parameters="limit: float = 0.0")
    for value in ("nan", "inf", "-inf"):
        done = pratique(source, "-p", "limit", value, "--out", tmp_path / "out.ipynb", folder=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (64, 1)
        assert "parameter 'limit' is" in done.stderr
    assert not (tmp_path / "out.ipynb").exists()


def test_a_cell_that_exits_is_reported_and_the_saved_notebook_is_json(tmp_path):
    show = (
        "from IPython.display import display\n"
        "display({'application/json': {'y': float('nan')}, 'text/plain': repr(maybe)}, raw=True)"
    )
    source = notebook(tmp_path, show, "import sys; sys.exit(0)", "print('AFTER')", parameters="maybe: str | None = ''")
    done = pratique(source, "-p", "maybe", "None", "--out", tmp_path / "out.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "AFTER" not in done.stdout
    assert "ended itself in cell" in done.stdout
    assert "NaN" not in (tmp_path / "out.ipynb").read_text()


def test_a_notebook_finds_modules_beside_it_and_they_hide_nothing(tmp_path):
    for name in ("queue", "click", "plotly", "orjson"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} is mine')")
    (tmp_path / "beside.py").write_text("WORD = 'found it'")
    source = notebook(tmp_path, "import queue, click, plotly, beside\nprint(beside.WORD, plotly.__version__)")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pratique.cli", "run", source, "--out", tmp_path / "out.ipynb"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "found it" in done.stdout


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644)], ids=["077", "022"])
def test_a_report_is_as_open_as_the_umask_says(config, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        paths = write_report(config, "shop", "r2", "r3", start=START, out_dir=tmp_path / "out")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (paths.html, paths.json, paths.notebook)} == {mode}


def test_papermill_fails_after_the_report_of_a_rollback_is_saved(config, tmp_path):
    source = find_notebook("canary_report")
    values = {"service": "shop", "baseline": "r2", "canary": "r3", "store": config.store.url, "out": str(tmp_path)}
    given = [word for name, value in values.items() for word in ("-r", name, value)]
    done = subprocess.run(
        [sys.executable, "-m", "papermill", source, tmp_path / "out.ipynb", *given, "-r", "fail_on", "rollback"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "FailOnRollbackError: shop r3: rollback: " in done.stderr
    assert json.loads((tmp_path / "shop-r2-r3.json").read_text())["verdict"] == "rollback"
    assert "</html>" in (tmp_path / "shop-r2-r3.html").read_text()

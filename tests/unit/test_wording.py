"""The check of the wording finds what it must, where it is, and lets plain English pass."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("wording", ROOT / "tools/wording.py")
wording = importlib.util.module_from_spec(SPEC)
sys.modules["wording"] = wording
SPEC.loader.exec_module(wording)


def phrases(text):
    return [phrase for _, phrase, _ in wording.hits_in(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("it starts anew", ["anew"]),
        ("Lest it be lost", ["Lest"]),
        ("it is there by now", ["by now"]),
        ("what is gone back to", ["gone back", "what is"]),
        ("they are only told", ["told"]),
        ("a run at work", ["at work"]),
        ("'x' is no name: use letters", ["is no name"]),
        ("they are no regular expression", ["are no regular expression"]),
        ("it is a whole one", ["whole one"]),
        ("a template of your own", ["of your own"]),
        ("its last words: none", ["last words"]),
        ("takes out what serves now", ["what serves"]),
        ("What runs on other hosts sends its log", ["What runs"]),
        ("written so that a reader, so that it is clear", ["so that a reader, so that"]),
        ("in the\nend it stops", ["in the end"]),
    ],
)
def test_a_refused_phrase_is_found(text, found):
    assert phrases(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "There is no store yet",
        "a rise is no reason to stop",
        "The report shows what was decided",
        "It records what is left",
        "What is a lease?",
        "retold, toldest, manewer, atwork",
        "write it in full so that a reader understands it. It is short so that a reader stays.",
        "the revision that serves now",
        "on stage, going back to stage 1",
    ],
)
def test_plain_english_passes(text):
    assert phrases(text) == []


def test_python_is_checked_in_strings_comments_and_names_of_tests_only(tmp_path):
    path = tmp_path / "test_x.py"
    path.write_text(
        '"""A docstring\nthat is told."""\n\n\ndef test_it_is_made_anew(told):\n    told = "by now"  # at work\n    return told\n'
    )
    assert [(hit.line, hit.phrase) for hit in wording.check([path])] == [
        (2, "told"),
        (5, "anew"),
        (6, "by now"),
        (6, "at work"),
    ]


def test_bytes_and_fields_of_f_strings_are_not_prose(tmp_path):
    path = tmp_path / "x.py"
    path.write_text('told = f"it is told {f\'{told:.1f}\'} {{anew}}"\nSENT = b"by now"\n')
    assert sorted((hit.line, hit.phrase) for hit in wording.check([path])) == [(1, "anew"), (1, "told")]


def test_a_page_is_checked_outside_of_its_code(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# A page\n\nSome `told` text\nthat is told.\n\n```text\ntold\n```\n\nanew\n")
    assert [(hit.line, hit.phrase) for hit in wording.check([path])] == [(4, "told"), (10, "anew")]


def test_a_notebook_is_checked_in_all_its_cells(tmp_path):
    cells = [
        {"cell_type": "markdown", "id": "title", "source": ["# It\n", "\n", "is told\n"]},
        {"cell_type": "code", "id": "parameters", "source": ["x = 1  # made anew\n"]},
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells}, indent=1))
    assert [(hit.phrase, hit.line) for hit in wording.check([path])] == [("told", 5), ("anew", 14)]


def test_a_settings_file_is_checked_in_its_comments(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('# it is told\nkey = "told"  # anew\n')
    assert [(hit.line, hit.phrase) for hit in wording.check([path])] == [(1, "told"), (2, "anew")]


def test_each_hit_is_a_line_with_a_suggestion_and_fails_the_check(tmp_path):
    (tmp_path / "a.md").write_text("It is made anew.\n")
    done = subprocess.run(
        [sys.executable, ROOT / "tools/wording.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}/a.md:1: 'anew': write again, or: start over\n"


def test_every_path_that_is_checked_exists():
    assert [path for path in wording.PATHS if not (ROOT / path).exists()] == []

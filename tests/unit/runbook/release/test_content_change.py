"""The sentence about the content of a release, which never stops one."""

import pytest

from pratique.config import load
from pratique.runbook.release import content_change
from pratique.runbook.release.content_change import print_difference


@pytest.fixture
def config(tmp_path):
    for name in ("r1", "r2"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "app").write_text(name)
    (tmp_path / "pratique.toml").write_text('[services.shop.runtime]\ncommand = ["./app", "{port}"]\n')
    return load(tmp_path / "pratique.toml")


def test_the_sentence_and_the_command_for_more(config, capsys):
    print_difference(config, "shop", "r1", "r2")
    assert capsys.readouterr().out.splitlines() == [
        "    content compared with r1: 1 file; ±0 B",
        "    details: pratique diff shop r1 r2",
    ]


@pytest.mark.parametrize("error", [ValueError("a\nb"), MemoryError("x"), RecursionError("x"), AssertionError("x")])
def test_a_failure_is_one_line_and_no_error(config, capsys, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(content_change, "_sentence", fail)
    print_difference(config, "shop", "r1", "r2")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"    content not compared with r1: {type(error).__name__}: ")


def test_a_missing_release_is_one_line(config, capsys):
    print_difference(config, "shop", "r0", "r2")
    assert "content not compared with r0: no release 'r0'" in capsys.readouterr().out


def test_an_interrupt_passes_through(config, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(content_change, "_sentence", stop)
    with pytest.raises(KeyboardInterrupt):
        print_difference(config, "shop", "r1", "r2")

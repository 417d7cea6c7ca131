"""The canary report links the difference of the two revisions."""

import pytest

from pratique.report import content_change, open_comparison
from pratique.report.release_difference import difference_stem
from pratique.store import open_store
from support.report_samples import sample_rollups


@pytest.fixture
def comparison(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pratique.toml").write_text('[services.shop.runtime]\ncommand = ["./app", "{port}"]\n')
    for name in ("r2", "r3"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "<b>app").write_text(name)
    open_store(str(tmp_path / "store")).write(sample_rollups(minutes=10, history=5))
    return lambda **given: open_comparison("shop", "r2", "r3", store=str(tmp_path / "store"), **given)


def test_it_shows_the_sentence_and_the_command(comparison):
    panel = content_change(comparison(config="pratique.toml"))
    assert "1 file; ±0 B" in panel.html
    assert "pratique diff shop r2 r3 --config " in panel.html
    assert "pratique.toml --out reports<" in panel.html
    assert "<a " not in panel.html


@pytest.mark.parametrize("out", ["out", "out/report.html"])
def test_it_links_the_page_of_the_difference_beside_the_report(comparison, tmp_path, out):
    (tmp_path / "out").mkdir()
    name = f"{difference_stem('shop', 'r2', 'r3')}.html"
    (tmp_path / "out" / name).touch()
    assert f'<a href="./{name}">' in content_change(comparison(), out).html


def test_a_revision_that_is_gone_is_said_in_one_line(comparison, tmp_path):
    (tmp_path / "releases" / "r2" / "<b>app").unlink()
    (tmp_path / "releases" / "r2").rmdir()
    panel = content_change(comparison())
    assert panel.text.startswith("Not compared: no release")
    assert "pratique diff shop r2 r3" in panel.text


def test_a_fault_of_the_comparison_is_no_error_of_the_report(comparison, monkeypatch):
    def fail(*_):
        raise RecursionError("<script>x</script>")

    monkeypatch.setattr("pratique.release.open_difference.compare_revisions", fail)
    html = content_change(comparison()).html
    assert "Not compared: " in html
    assert "<script>" not in html

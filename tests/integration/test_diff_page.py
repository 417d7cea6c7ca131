"""The page of a release difference: written by the notebook, opens offline, and shows neither secrets nor HTML of an image."""

import json

import pytest

from pratique.cli import main
from support.made_images import docker_image, dpkg_status, file, layer

pytestmark = pytest.mark.kernel
EVIL = '<script>alert("x")</script>'


def test_the_page_its_json_and_the_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, version, secret in (("old", "1.2", "hunter1"), ("new", "1.1", "hunter2")):
        layers = [layer(file("/var/lib/dpkg/status", dpkg_status(zlib=version)), file(f"/{name}{EVIL}", ""))]
        docker_image(tmp_path / f"{name}.tar", layers, env={"TOKEN": secret, "NAME": EVIL + name})
    with pytest.raises(SystemExit) as ended:
        main(["diff", "old.tar", "new.tar", "--out", "pages", "--exit-code"])
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "report   " in said
    page = tmp_path / "pages/old.tar-new.tar-diff.html"
    found = json.loads(page.with_suffix(".json").read_text())
    text = page.read_text()
    assert found["packages"][0]["change"] == "down"
    assert "1 package ▼ down" in text
    assert "http://" not in text.partition("<body>")[0]
    for part in (text, page.with_suffix(".json").read_text(), page.with_suffix(".ipynb").read_text(), said):
        assert "hunter" not in part
    assert EVIL not in text

"""`make demo-incident` on real parts: the pages of two incidents say the right thing, and nothing is left."""

import json
import re
import subprocess
import sys

import pytest

from support.shop_fixture import ROOT, leftovers

pytestmark = [pytest.mark.server, pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_pages_of_two_incidents_say_the_right_thing(tmp_path):
    """First one action of one instance fails; then, while a harmless canary has half of the traffic, what all instances need."""
    command = [sys.executable, ROOT / "examples/shop/demo_incident.py", "--state", tmp_path / "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the page was right") == 2
    assert leftovers(tmp_path) == []
    instance, dependency = (
        json.loads(path.read_text()) for path in sorted((tmp_path / "demo" / "pages").glob("*.json"))
    )

    place = instance["places"]["found"][0]
    assert place["action"] == "POST /checkout"
    assert place["host"] == re.search(r"of the instance (127\.0\.0\.1:\d+) fails", done.stdout)[1]
    assert instance["sentence"].endswith("No change of ours explains it.")

    place = dependency["places"]["found"][0]
    assert (place["action"], place["revision"], place["host"]) == ("POST /checkout", None, None)
    assert (dependency["answer"], dependency["undo"], dependency["exit_status"]) == (
        "no change of ours explains it",
        "",
        2,
    )
    assert "r4" in {suspect["change"]["revision"] for suspect in dependency["suspects"]}

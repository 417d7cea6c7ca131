"""`make demo-incident` on real parts: the pages of two incidents say the right thing, and nothing is left."""

import json
import re
import subprocess
import sys

import pytest

from support.shop_fixture import ROOT, leftovers

pytestmark = [pytest.mark.server, pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(900)]


def demo(folder, part):
    """Run one part of the demo; what it printed, and the answer on its page."""
    command = [sys.executable, ROOT / "examples/shop/demo_incident.py", "--part", part, "--state", folder / "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the page was right") == 1
    assert leftovers(folder) == []
    (answer,) = (folder / "demo" / "pages").glob("*.json")
    return done.stdout, json.loads(answer.read_text())


def test_the_action_and_the_instance_that_fail_are_named(tmp_path):
    said, answer = demo(tmp_path, "instance")
    place = answer["places"]["found"][0]
    assert place["action"] == "POST /checkout"
    assert place["host"] == re.search(r"of the instance (127\.0\.0\.1:\d+) fails", said)[1]
    assert answer["sentence"].endswith("No change of ours explains it.")


def test_a_shared_dependency_that_fails_blames_no_release(tmp_path):
    _, answer = demo(tmp_path, "dependency")
    place = answer["places"]["found"][0]
    assert (place["action"], place["revision"], place["host"]) == ("POST /checkout", None, None)
    assert (answer["answer"], answer["undo"], answer["exit_status"]) == ("no change of ours explains it", "", 2)
    assert "r4" in {suspect["change"]["revision"] for suspect in answer["suspects"]}

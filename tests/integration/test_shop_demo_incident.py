"""`make demo-incident` on real parts: the pages of two incidents say the right thing, and nothing is left."""

import json
import re
import subprocess
import sys

import pytest

from support.shop_fixture import ROOT, leftovers

pytestmark = [pytest.mark.server, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.timeout(900)
def test_one_instance_is_named_and_a_shared_dependency_blames_no_release(tmp_path):
    command = [sys.executable, ROOT / "examples/shop/demo_incident.py", "--state", tmp_path / "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the page was right") == 2
    one, shared = sorted((tmp_path / "demo" / "pages").glob("*.json"))
    instance = re.search(r"of the instance (127\.0\.0\.1:\d+) fails", done.stdout)[1]
    first = json.loads(one.read_text())
    assert first["sentence"].endswith("No change of ours explains it.")
    assert (first["places"]["found"][0]["action"], first["places"]["found"][0]["host"]) == ("POST /checkout", instance)
    second = json.loads(shared.read_text())
    place = second["places"]["found"][0]
    assert (place["action"], place["revision"], place["host"]) == ("POST /checkout", None, None)
    assert (second["answer"], second["undo"], second["exit_status"]) == ("no change of ours explains it", "", 2)
    assert {suspect["change"]["revision"] for suspect in second["suspects"] if suspect["in_time"]} <= {"r4"}
    assert leftovers(tmp_path) == []

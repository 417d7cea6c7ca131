import json
import subprocess
import sys

import psutil
import pytest

from pratique.balancer.settings_file import balancer_differences, keep_settings
from pratique.config import parse
from support.shop_fixture import eventually

SERVICE_FILE = """
[services.shop.runtime]
command = ["true"]
[services.shop.balancer]
timeout_s = {timeout_s}
"""


@pytest.fixture
def target(tmp_path):
    file = tmp_path / "pratique.toml"

    def load(timeout_s):
        file.write_text(SERVICE_FILE.format(timeout_s=timeout_s))
        return parse(file.read_text(), file).target("shop")

    return load


def test_a_setting_that_the_running_balancer_does_not_have_is_named(target):
    keep_settings(target(30))
    assert balancer_differences(target(30)) == []
    [found] = balancer_differences(target(7))
    assert "balancer.timeout_s = 30.0, the service file says 7.0" in found


def test_a_balancer_that_ended_and_was_not_reaped_does_not_run(target):
    keep_settings(target(30))
    (kept,) = target(30).state_dir.rglob("shop.settings.json")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        content = json.loads(kept.read_text()) | {"pid": child.pid, "started": process.create_time()}
        kept.write_text(json.dumps(content))
        assert balancer_differences(target(7)), "it runs"
        child.kill()
        eventually(lambda: process.status() == psutil.STATUS_ZOMBIE)
        assert balancer_differences(target(7)) == []

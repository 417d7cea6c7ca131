import json
import subprocess
import sys

import psutil
import pytest

from pratique.balancer.settings_file import balancer_differences, keep_settings, running_listen
from pratique.config import parse
from pratique.status import url_of
from support.waiting import eventually

SERVICE_FILE = """
[services.shop.runtime]
command = ["true"]
[services.shop.balancer]
timeout_s = {timeout_s}
listen = "{listen}"
kind = "{kind}"
"""


@pytest.fixture
def target(tmp_path):
    file = tmp_path / "pratique.toml"

    def load(timeout_s, listen="127.0.0.1:8080", kind="embedded"):
        file.write_text(SERVICE_FILE.format(timeout_s=timeout_s, listen=listen, kind=kind))
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


def test_users_reach_the_balancer_where_it_runs_whatever_the_file_says(target):
    assert running_listen(target(30, listen="127.0.0.1:1")) == "127.0.0.1:1", "none runs"
    keep_settings(target(30, listen="127.0.0.1:1"))
    changed = target(30, listen="127.0.0.1:2")
    assert running_listen(changed) == "127.0.0.1:1"
    assert url_of(changed) == "http://127.0.0.1:1"


def test_a_balancer_of_another_kind_is_one_difference_and_its_pool_is_lost(target):
    keep_settings(target(30))
    [found] = balancer_differences(target(7, kind="haproxy"))
    assert 'balancer.kind = "embedded", the service file says "haproxy": restart it, its pool is not kept' in found

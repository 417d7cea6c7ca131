"""The script on a host, and what its output is read as."""

import subprocess
from importlib import resources

import pytest

from pratique.doctor.facts.host import HOST_PARTS, parse_output, read_host
from pratique.doctor.facts.model import PartStore

TOKEN = "4f1e09aa"


def parsed(text):
    store = PartStore()
    parse_output(text, TOKEN, store)
    return store


def test_the_script_reads_this_machine():
    store = PartStore()
    read_host("", store, root="/var/lib/docker", timeout_s=60)
    missing = {
        name: why
        for name, why in store.missing.items()
        if name not in {"log_files", "firewall", "routes", "certificates"}
    }
    assert missing == {}
    assert store.parts["processes"][1].pid == 1
    assert store.parts["space"]["/"].size > 0
    assert set(store.parts) | set(store.missing) == set(HOST_PARTS)


def test_the_script_is_posix():
    script = resources.files("pratique.doctor.facts").joinpath("host_facts.sh").read_text()
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    for word in ("[[", "local ", "function ", " > /", "rm ", "mv ", "tee "):
        assert word not in script


def test_a_part_that_failed_has_what_it_said_as_reason():
    store = parsed(f"{TOKEN} begin firewall\niptables: Permission denied\n\n{TOKEN} end firewall 4\n")
    assert store.missing["firewall"] == "iptables: Permission denied"


def test_an_output_that_ends_early_leaves_the_rest_unread():
    store = parsed(f"{TOKEN} begin kernel\nuid=0\n\n{TOKEN} end kernel 0\n{TOKEN} begin space\nFilesystem")
    assert store.parts["kernel"] == {"uid": "0"}
    assert store.missing["space"] == "the script on the host did not come to its end"


def test_content_cannot_pretend_to_be_a_part():
    store = parsed(
        f"{TOKEN} begin interfaces\nx\nother end interfaces 0\nother begin kernel\nuid=7\n\n{TOKEN} end interfaces 0\n"
    )
    assert "kernel" not in store.parts


def test_a_part_that_cannot_be_read_has_a_reason():
    store = parsed(
        f"{TOKEN} begin daemon_json\n[1]\n\n{TOKEN} end daemon_json 0\n{TOKEN} begin space\nnothing\n\n{TOKEN} end space 0\n"
    )
    assert store.missing["daemon_json"] == "it is not a JSON object"
    assert store.missing["space"].startswith("df lists no file system")


@pytest.mark.parametrize(
    "body",
    [
        "Name:\tsh\nState:\tZ (zombie)\nPid:\t7\nPPid:\t1\nThreads:\t1",
        "Name:\ta\\nName: b\nState:\tZ\nPid:\t7\nPPid:\t1",
    ],
)
def test_a_process_is_read_whatever_its_name(body):
    store = parsed(f"{TOKEN} begin processes\n{body}\n\n{TOKEN} end processes 0\n")
    assert store.parts["processes"][7].state == "Z"
    assert store.parts["processes"][7].parent == 1

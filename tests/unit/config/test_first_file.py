"""The first service file holds the chosen settings, explains them, and is valid."""

import tomllib
from itertools import pairwise

import pytest

from pratique.config import load
from pratique.config.first_file import FirstFile, write_first_file
from pratique.config.reference import summary
from pratique.errors import StorageError, UsageError

PROCESS = FirstFile("shop", command=("{python}", "{dir}/app.py", "{port}"))
DOCKER = FirstFile("shop", runtime="docker", image="registry.example:5000/shop", port=9000, balancer="haproxy")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pratique.toml"


def test_a_file_for_processes_has_only_the_chosen_settings(path):
    write_first_file(path, PROCESS)
    assert tomllib.loads(path.read_text()) == {
        "telemetry": {"listen": "127.0.0.1:5514"},
        "services": {
            "shop": {
                "runtime": {
                    "kind": "process",
                    "releases": "releases",
                    "command": ["{python}", "{dir}/app.py", "{port}"],
                    "readiness_path": "/healthz",
                },
                "balancer": {"kind": "embedded", "listen": "127.0.0.1:8080"},
            }
        },
    }
    assert load(path).service("shop").runtime.command == PROCESS.command
    assert (path.parent / "releases").is_dir()


def test_a_file_for_containers_has_only_the_chosen_settings(path):
    write_first_file(path, DOCKER)
    assert tomllib.loads(path.read_text())["services"]["shop"] == {
        "runtime": {
            "kind": "docker",
            "readiness_path": "/healthz",
            "docker": {"image": "registry.example:5000/shop", "port": 9000},
        },
        "balancer": {"kind": "haproxy", "listen": "127.0.0.1:8080"},
    }
    assert load(path).service("shop").balancer.kind == "haproxy"
    assert not (path.parent / "releases").exists()


@pytest.mark.parametrize("choices", [PROCESS, DOCKER])
def test_each_key_has_its_line_of_the_reference(choices):
    lines = choices.to_toml().splitlines()
    assert any("pratique config --reference" in line for line in lines)
    table = ""
    for above, line in pairwise(lines):
        if line.startswith("["):
            table = line.strip("[]").replace("shop", "NAME")
        elif "=" in line and not line.startswith("#"):
            key = line.partition(" =")[0]
            assert above == f"# {summary(f'{table}.{key}')}"


@pytest.mark.parametrize("name", ["shop", "shop.eu", "1", "a-b_c"])
@pytest.mark.parametrize("word", ['a"b', "a\\b", "tab\there", "del\x7f", "ünï", "{dir}/🚢", "'"])
def test_any_text_is_written_as_it_is(path, name, word):
    write_first_file(path, FirstFile(name, command=("run", word)))
    assert load(path).services[name].runtime.command == ("run", word)


def test_a_file_that_exists_is_replaced_only_by_force(path):
    path.write_text("mine")
    with pytest.raises(UsageError, match=r"pratique\.toml' already exists: .*--force"):
        write_first_file(path, PROCESS)
    assert path.read_text() == "mine"
    write_first_file(path, PROCESS, force=True)
    assert load(path).services


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (FirstFile("../x", command=("run",)), "is not a name"),
        (FirstFile("shop"), r"needs the command .*--command"),
        (FirstFile("shop", runtime="docker"), r"needs the repository .*--image"),
        (
            FirstFile("shop", runtime="docker", image="Shop:r1"),
            r"services\.shop\.runtime\.docker\.image: has the wrong form",
        ),
        (FirstFile("shop", command=("run",), readiness_path="healthz"), r"readiness_path: has the wrong form"),
        (FirstFile("shop", command=("run",), listen="here"), r"services\.shop\.balancer\.listen: "),
        (FirstFile("shop", command=("run", "\udcff")), "not UTF-8"),
    ],
)
def test_a_wrong_choice_writes_nothing(path, choices, message):
    with pytest.raises(UsageError, match=message):
        write_first_file(path, choices)
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_one_line(path):
    (path.parent / "taken").write_text("")
    with pytest.raises(StorageError, match=r"releases folder .*taken/x' cannot be created: Not a directory"):
        write_first_file(path, FirstFile("shop", command=("run",), releases="taken/x"))

"""For every test: UTC, a working Ctrl-C, markers and their guard, and no skipped test where PRATIQUE_NO_SKIPS is set."""

import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import settings

from support import markers
from support.docker_engine import engine_running
from support.influxdb import TOKEN, server_running

TESTS = Path(__file__).parent
GUARD = pytest.StashKey()
TIMEOUT = pytest.StashKey()
settings.register_profile("pratique", deadline=None, derandomize=True)
settings.register_profile("fast", parent=settings.get_profile("pratique"), max_examples=10)
settings.load_profile("pratique")
os.environ["TZ"] = "UTC"
time.tzset()
# a shell's background job ignores Ctrl-C and hands that on to every process it starts: here some are interrupted on purpose
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """A developer's own environment does not change what a test sees."""
    for name in ("PRATIQUE_CONFIG", "PRATIQUE_STORE", "PRATIQUE_WHO", "PRATIQUE_DEBUG", "INFLUX_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def pytest_configure(config):
    config.stash[GUARD] = markers.Guard()
    config.stash[GUARD].install()


def pytest_unconfigure(config):
    if GUARD in config.stash:
        config.stash[GUARD].remove()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        markers.mark(item)
    items.sort(key=order)


def order(item):
    """Files with many short tests come last, so that all workers end at about the same time.

    Before them come those with InfluxDB, whose server may still be built while the others run.
    """
    folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
    return folder == "unit", item.get_closest_marker("influxdb") is not None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """A test may start the real programs that its markers name, and no others."""
    guard = item.config.stash[GUARD]
    guard.enter(item)
    try:
        return (yield)
    finally:
        guard.leave()


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item, settings):
    item.stash[TIMEOUT] = settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A rerun gets the whole time limit again: the limit of the first run ended with its failure."""
    if getattr(item, "execution_count", 1) > 1 and TIMEOUT in item.stash:
        item.config.hook.pytest_timeout_set_timer(item=item, settings=item.stash[TIMEOUT])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("PRATIQUE_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and PRATIQUE_NO_SKIPS is set: {report.longrepr}"


@pytest.fixture(scope="session")
def engine():
    """One Docker engine for all tests of a process, started by the first that needs it."""
    with engine_running() as found:
        yield found


@pytest.fixture(scope="session")
def influxdb_server():
    """One InfluxDB server for all tests of a process, started by the first that needs it."""
    with server_running() as found:
        yield found


@pytest.fixture
def influxd(influxdb_server, monkeypatch):
    """The InfluxDB server of this process, with its all-access token in the environment."""
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    return influxdb_server

"""Background processes: their last log lines when one does not start."""

import threading

import pytest

from pratique import background
from pratique.errors import UnavailableError


def test_a_part_that_does_not_start_is_an_error_with_its_last_log_lines(tmp_path):
    with pytest.raises(UnavailableError, match=r"the balancer did not start: .*no-such-command.*balancer\.log"):
        background.spawn(tmp_path, "balancer", "shop", ["no-such-command"], lambda: False)


@pytest.mark.slow
def test_changes_of_parts_take_turns_and_leave_no_trace_where_nothing_was(tmp_path):
    inside, entered = [], threading.Event()

    def other():
        with background.changing_parts(tmp_path):
            inside.append("other")
            entered.set()

    with background.changing_parts(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        assert not entered.wait(0.3)
        inside.append("first")
    thread.join()
    assert inside == ["first", "other"]
    with background.changing_parts(tmp_path / "absent"):
        assert not (tmp_path / "absent").exists()


@pytest.mark.server
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_part_that_runs_is_found_by_its_labels_and_ended(tmp_path):
    collect = ["collect", "--config", str(tmp_path / "pratique.toml")]
    (tmp_path / "pratique.toml").write_text('[telemetry]\nlisten = "127.0.0.1:0"\n')
    found = []
    background.spawn(
        tmp_path,
        "collector",
        "shop",
        collect,
        lambda: bool(found.extend(background.find(tmp_path, "collector")) or found),
    )
    assert background.find(tmp_path, "collector", "another") == []
    background.end(found[0])
    assert background.find(tmp_path, "collector") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "no output"), ("a\nb\nc\nd\n", "b / c / d"), ("x" * 300, "x" * 200), ("one\n\xff", "one / \xff")],
)
def test_the_last_log_lines_are_on_one_line(tmp_path, text, expected):
    log = tmp_path / "x.log"
    log.write_text("before\n" + text)
    assert background.last_log_lines(log, 7) == expected

"""The approval buttons, clicked as JupyterLab clicks them: through a subshell, while the cell is busy."""

import contextlib
import queue
import sys
import time

import pytest
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.kernel

QUESTION = """
import tempfile, time
from pathlib import Path
from pratique.runbook.canary.approval import make_approver
approver = make_approver("ask", "", (5.0,), Path(tempfile.mkdtemp()))
looks = 0
while (answer := approver.ask(1, 5.0, f"look {looks}")) is None:
    looks += 1
    time.sleep(0.02)
print("answered", answer, looks > 3)
"""


@pytest.fixture(scope="module")
def client():
    manager = KernelManager()
    manager.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def messages(client, until, deadline_s=120.0):
    """Yield what the kernel publishes, up to the first message that `until` accepts."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        with contextlib.suppress(queue.Empty):
            message = client.get_iopub_msg(timeout=0.2)
            yield message
            if until(message):
                return
    pytest.fail("the kernel did not publish it in time")


def subshell(client):
    """Create a subshell, as the frontend does."""
    request = client.session.msg("create_subshell_request", {})
    client.control_channel.send(request)
    while True:
        reply = client.get_control_msg(timeout=60)
        if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            return reply["content"]["subshell_id"]


def is_button(message, text):
    state = message["content"].get("data", {}).get("state", {}) if message["msg_type"] == "comm_open" else {}
    return text in str(state.get("description"))


@pytest.mark.parametrize(("label", "answer"), [("Approve", "approve"), ("Roll back", "rollback")])
def test_a_click_answers_while_the_cell_is_busy(client, label, answer):
    shell = subshell(client)
    client.execute(QUESTION, allow_stdin=True)
    opened = list(messages(client, lambda message: message["msg_type"] == "display_data"))
    [button] = [message["content"]["comm_id"] for message in opened if is_button(message, label)]
    for _ in messages(client, lambda message: "look 5" in str(message["content"])):
        pass  # the cell continues while approval is pending
    click = client.session.msg(
        "comm_msg", {"comm_id": button, "data": {"method": "custom", "content": {"event": "click"}}}
    )
    click["header"]["subshell_id"] = shell
    client.shell_channel.send(click)
    said = list(messages(client, lambda message: message["msg_type"] == "stream"))
    assert said[-1]["content"]["text"] == f"answered {answer} True\n"
    for _ in messages(
        client,
        lambda message: (
            message["content"].get("execution_state") == "idle"
            and message["parent_header"]["msg_type"] == "execute_request"
        ),
    ):
        pass


ANSWERED_ELSEWHERE = """
import tempfile
from pathlib import Path
from pratique.runbook.canary.answers import write_answer
from pratique.runbook.canary.approval import make_approver
folder = Path(tempfile.mkdtemp())
approver = make_approver("ask", "", (5.0,), folder)
print(approver.ask(1, 5.0, "looks fine"))
write_answer(folder, 5.0, "approve", "ann")
print(approver.ask(1, 5.0, "looks fine"))
"""


def test_without_a_person_in_front_of_it_another_process_answers(client):
    client.execute(ANSWERED_ELSEWHERE, allow_stdin=False)
    said = list(
        messages(
            client, lambda message: message["msg_type"] == "error" or "approve" in str(message["content"].get("text"))
        )
    )
    assert (
        "".join(message["content"]["text"] for message in said if message["msg_type"] == "stream") == "None\napprove\n"
    )
    assert not [message for message in said if message["msg_type"] == "display_data"]

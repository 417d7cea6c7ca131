"""What an answer means for the user: the class of the error, and one line."""

import json

import pytest

from pratique.errors import DataError, DeniedError, MissingError, RetentionError, StorageError, UnavailableError
from pratique.store.influxdb.client import late_error
from pratique.store.influxdb.failures import of_status


@pytest.mark.parametrize(
    ("status", "message", "kind", "words"),
    [
        (401, "unauthorized access", DeniedError, "token is refused"),
        (403, "insufficient permissions for write", DeniedError, "may not do this"),
        (404, 'bucket "x" not found', MissingError, "pratique store setup"),
        (413, "too large", DataError, "raise its limit"),
        (422, "partial write: points beyond retention policy dropped=3", RetentionError, "bucket's retention"),
        (
            422,
            'input field "n" on measurement "pratique" is type float: field type conflict',
            DataError,
            "another bucket",
        ),
        (400, "unable to parse 'x'", DataError, "refuses the request"),
        (429, "rate limit", UnavailableError, "try again in 7 s"),
        (503, "unavailable", UnavailableError, "try again in 7 s"),
        (500, "write /data/wal/1.wal: no space left on device", StorageError, "disk is full"),
        (502, "bad gateway", UnavailableError, "502"),
    ],
)
def test_each_answer_has_its_error(status, message, kind, words):
    error = of_status("the store", "written", status, json.dumps({"code": "x", "message": message}).encode(), "7")
    assert type(error) is kind
    assert words in str(error)
    assert message in str(error)
    assert "the store" in str(error)


def test_the_cause_at_the_end_of_a_long_message_decides_and_is_shown():
    message = f'unexpected error writing points to database: error loading series file for database "{"a" * 900}": '
    error = of_status(
        "s", "written", 500, json.dumps({"message": message + "write /d/0.init: no space left on device"}).encode()
    )
    assert type(error) is StorageError
    assert "restart the server" in str(error)
    assert "unexpected error writing points" in str(error)
    assert str(error).endswith("no space left on device")
    assert len(str(error)) < 400


@pytest.mark.parametrize("body", [b"", None, b"<html>\n<h1>Bad gateway</h1>", b"\xff\xfe", b"[" * 5000, b"[1]"])
def test_an_answer_of_another_program_is_one_short_line(body):
    error = of_status("the store", "read", 502, body, "soon")
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert "502" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "result,_value\r\n_result,1\r\n\r\n,error,reference\r\n,query terminated: killed,897\r\n",
            "query terminated: killed",
        ),
        ("error,reference\r\nout of memory,\r\n\r\n", "out of memory"),
        ("result,_value\r\n_result,1\r\n\r\n", None),
        ("result,_value\r\n_result,error\r\n", None),
        # a text of a row
        ('result,_value\r\n_result,"a\r\n\r\n,error,reference\r\n,b ""c"", d"\r\n\r\n', None),
        ("", None),
    ],
)
def test_an_error_at_the_end_of_an_answer_is_found(text, message):
    assert late_error(text.encode()) == message

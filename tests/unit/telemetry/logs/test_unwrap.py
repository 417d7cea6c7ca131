"""Lines that a container engine or a shipper wrapped: joined where they were cut, and with the wrapper's own values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import FieldNames
from pratique.telemetry.line_parsers import Parser
from pratique.telemetry.logs.parts import LONGEST, MOST_OPEN

CUT = 1 << 14
COMBINED = '192.0.2.7 - - [24/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 200 512 "-" "curl/8"'
REQUEST = {"time": "2026-11-24T10:00:00Z", "status": 502, "path": "/pay", "duration_ms": 12}
LABELS = {"com.example.release": "r7", "tier": "web"}
TIME = "2026-11-24T10:00:01.5Z"


def docker(text, *, stream="stdout", ended=True, **more):
    return json.dumps({"log": text + "\n" * ended, "stream": stream, "time": TIME} | more)


def cri(text, *, stream="stdout", ended=True):
    return f"2026-11-24T10:00:01.500000000Z {stream} {'F' if ended else 'P'} {text}"


def fluent(text, *, stream="stdout", ended=True):
    return json.dumps({"log": text, "stream": stream, "time": TIME, "logtag": "F" if ended else "P"})


def fluentd(text, *, stream="stdout", ended=True):
    marks = {"partial_message": "true", "partial_id": "5f", "partial_last": str(ended).lower()}
    return json.dumps({"log": text, "source": stream, "stream": stream, "container_name": "/shop"} | marks)


def journald(text, *, stream="stdout", ended=True):
    marks = {} if ended else {"CONTAINER_PARTIAL_MESSAGE": "true"}
    severity = "6" if stream == "stdout" else "3"
    return json.dumps({"MESSAGE": text, "__REALTIME_TIMESTAMP": "1795514401500000", "PRIORITY": severity} | marks)


WRAPPERS = [docker, cri, fluent, fluentd, journald]


def made(fmt="jsonl", *, revision="r1", revision_from=None, fields=()):
    return Parser(
        fmt,
        service="shop",
        fields=FieldNames(),
        ignore_paths=(),
        default_host="local",
        revision=revision,
        revision_from=revision_from,
        log_format=None,
        field_names=fields,
    )


def pieces(text, size=CUT):
    return [text[start : start + size] for start in range(0, len(text), size)]


def cut(wrap, text, **options):
    """The lines that an engine writes for one long line."""
    *before, last = pieces(text)
    return [*(wrap(part, ended=False, **options) for part in before), wrap(last, **options)]


def parsed(parser, *blocks):
    """What all blocks of a file tell: the events, and the reasons, lines, parts and lost lines."""
    found, number = [], 1
    for block in blocks:
        found.append(parser.parse("\n".join(block).encode(), number))
        number += len(block)
    return [*found, parser.end()]


def codes(found):
    return [code for one in found for code in one.events["code"].to_list()]


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("length", [2 * CUT - 150, 3 * CUT, 20 * CUT])
def test_line_that_was_cut_is_one_request(wrap, length):
    long = json.dumps(REQUEST | {"headers": "x" * length})
    lines = [wrap(json.dumps(REQUEST)), *cut(wrap, long), wrap(json.dumps(REQUEST))]
    found = parsed(made(), lines)
    assert codes(found) == [502, 502, 502]
    assert not found[0].rejects
    assert found[0].others == {"parts of lines that a container engine cut": len(pieces(long)) - 1}


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_parts_of_both_streams_and_of_several_blocks_are_kept_apart(wrap):
    long = json.dumps(REQUEST | {"headers": "x" * 3 * CUT})
    out, err = cut(wrap, long), cut(wrap, "y" * len(long), stream="stderr")
    mixed = [line for both in zip(out, err, strict=True) for line in both]
    found = parsed(made(), [wrap(json.dumps(REQUEST)), *mixed[:3]], mixed[3:])
    assert codes(found) == [502, 502]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_text_that_was_cut_is_one_request(wrap):
    long = COMBINED.replace("curl/8", "a" * 2 * CUT).replace("200", "503")
    found = parsed(made("combined"), [wrap(COMBINED), *cut(wrap, long), wrap(COMBINED)])
    assert codes(found) == [200, 503, 200]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_line_without_its_end_is_lost_and_costs_no_other(wrap):
    lines = [wrap(json.dumps(REQUEST)), wrap('{"status": 502, "h": "'.ljust(CUT, "x"), ended=False)]
    found = parsed(made(), lines)
    assert codes(found) == [502]
    assert found[-1].rejects[0][:2] == (2, "it is a part of a line whose end is missing")
    assert found[-1].lost_by_revision == {"r1": 1}
    assert sum(len(one.events) + len(one.rejects) for one in found) == sum(one.lines for one in found)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_line_beyond_the_longest_is_rejected_part_by_part(wrap):
    many = LONGEST // CUT + 5
    lines = [wrap(json.dumps(REQUEST)), *(wrap("x" * CUT, ended=False) for _ in range(many)), wrap("end")]
    found = parsed(made(), [*lines, wrap(json.dumps(REQUEST))])
    assert codes(found) == [502, 502]
    assert found[0].lost_by_reason == {f"it is a part of a line longer than {LONGEST:,} characters": many + 1}


def test_unfinished_lines_of_many_streams_are_bounded():
    parser = made()
    lines = [docker("x" * CUT, ended=False, container_name=f"c{n}") for n in range(MOST_OPEN + 7)]
    parser.parse("\n".join([docker(json.dumps(REQUEST)), *lines]).encode(), 1)
    assert len(parser.end().rejects) == MOST_OPEN


def test_last_line_of_a_program_without_its_end_is_no_part_of_the_next():
    lines = [docker(json.dumps(REQUEST)), docker(json.dumps(REQUEST), ended=False), docker(json.dumps(REQUEST))]
    assert codes(parsed(made(), lines)) == [502] * 3


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=12), st.sampled_from([cri, fluent, fluentd, journald]), st.data()
)
@pytest.mark.slow
def test_every_line_is_read_however_it_was_cut(sizes, wrap, data):
    lines = [wrap(json.dumps(REQUEST))]
    for size in sizes:
        text = json.dumps(REQUEST | {"x": "é" * size})
        at = data.draw(st.integers(1, len(text) - 1))
        lines += [wrap(text[:at], ended=False), wrap(text[at:])]
    split = data.draw(st.integers(1, len(lines)))
    blocks = [block for block in (lines[:split], lines[split:]) if block]
    assert codes(parsed(made(), *blocks)) == [502] * (len(sizes) + 1)


OUTER = [
    ({"attrs": LABELS}, "attrs.com.example.release"),
    ({"kubernetes": {"labels": {"version": "r7"}}}, "kubernetes.labels.version"),
    ({"container_name": "/shop-r7-1"}, "container_name:-(r[0-9]+)-"),
    ({"labels": [{"build": "r7"}]}, "Labels.Build"),
]


@pytest.mark.parametrize(("more", "name"), OUTER)
@pytest.mark.parametrize("inner", [COMBINED, json.dumps(REQUEST), "time=2026-11-24T10:00:00Z status=502 path=/pay"])
@pytest.mark.parametrize("by_field", [False, True])
def test_value_of_the_wrapper_is_the_revision(more, name, inner, by_field):
    fmt = {COMBINED: "combined", json.dumps(REQUEST): "jsonl"}.get(inner, "logfmt")
    source = {"fields": (f"revision={name}",)} if by_field else {"revision_from": name}
    (found, _) = parsed(made(fmt, revision=None, **source), [docker(inner, **more)])
    assert found.events["revision"].to_list() == ["r7"], found.rejects


def test_fields_of_journald_are_the_revision_and_the_host():
    line = {
        "MESSAGE": COMBINED,
        "__REALTIME_TIMESTAMP": "1795514401500000",
        "_HOSTNAME": "web-3",
        "CONTAINER_TAG": "r7",
    }
    parser = made("combined", revision=None, revision_from="container_tag", fields=("host=_HOSTNAME",))
    (found, _) = parsed(parser, [json.dumps(line)])
    assert found.events.select("revision", "host").row(0) == ("r7", "web-3")
    assert "revision from CONTAINER_TAG of the wrapper" in parser.findings.notes()[0]


def test_value_of_the_line_itself_wins_over_the_wrappers():
    inner = json.dumps(REQUEST | {"build": "r1"})
    (found, _) = parsed(made(revision=None, revision_from="build"), [docker(inner, build="r9")])
    assert found.events["revision"].to_list() == ["r1"]


@pytest.mark.parametrize("text", [json.dumps(REQUEST), COMBINED])
def test_wrapper_of_a_shipper_is_found_by_its_keys(text):
    line = {"@timestamp": TIME, "message": text, "kubernetes": {"pod_name": "shop-r7-5d"}}
    parser = made(
        "jsonl" if text != COMBINED else "combined", revision=None, revision_from="kubernetes.pod_name:-(r7)-"
    )
    (found, _) = parsed(parser, [json.dumps(line)])
    assert found.events["revision"].to_list() == ["r7"]

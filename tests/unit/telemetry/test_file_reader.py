"""Reading of log files: each line in exactly one block, whatever the lengths of lines, and without seeking."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import DataError, MissingError, UsageError
from pratique.telemetry import file_reader
from pratique.telemetry.file_reader import LogReader

PACKED = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}


def blocks(path):
    return list(LogReader(path).blocks())


def lines_of(found):
    """The lines in blocks by their number; a line that is too long as its length."""
    lines = {}
    for block in found:
        if block.too_long:
            lines[block.number] = len(block.content)
        else:
            for offset, line in enumerate(block.content.removesuffix(b"\n").split(b"\n")):
                assert block.number + offset not in lines
                lines[block.number + offset] = line
    return lines


@given(st.lists(st.integers(0, 40), max_size=30), st.booleans(), st.sampled_from(sorted(PACKED)))
def test_each_line_is_given_once_with_its_number(tmp_path_factory, lengths, ended, packing):
    path = tmp_path_factory.getbasetemp() / "log"
    lines = [b"x" * length for length in lengths]
    content = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    path.write_bytes(PACKED[packing](content))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BLOCK": 7, "LONGEST_LINE": 11, "MOST_LINES": 3}.items():
            patch.setattr(file_reader, name, value)
        found = blocks(path)
    expected = content.removesuffix(b"\n").split(b"\n") if content else []
    assert lines_of(found) == {number: line if len(line) <= 11 else 11 for number, line in enumerate(expected, start=1)}
    assert all(block.content.count(b"\n") <= 3 for block in found)


def test_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"\xef\xbb\xbfone\ntwo\n")
    reader = LogReader(path)
    assert lines_of(reader.blocks()) == {1: b"one", 2: b"two"}
    assert reader.head == b"one\ntwo\n"


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32"])
def test_wide_text_is_refused_with_the_command_that_converts_it(tmp_path, encoding):
    path = tmp_path / "log"
    path.write_bytes("one\n".encode(encoding))
    with pytest.raises(DataError, match=f"is {encoding} text.*iconv -f {encoding}"):
        blocks(path)


@pytest.mark.parametrize("packing", sorted(PACKED))
def test_pipe_is_read_like_a_file(tmp_path, packing):
    content = b"".join(b"line %d\n" % number for number in range(5000))
    path = tmp_path / "fifo"
    os.mkfifo(path)
    packed = PACKED[packing](content)
    writer = threading.Thread(target=path.write_bytes, args=(packed,))
    writer.start()
    assert b"".join(block.content for block in blocks(path)) == content
    writer.join()


def test_what_is_no_stream_of_lines_is_refused(tmp_path):
    for path, error in (("/dev/zero", UsageError), (tmp_path, UsageError), (tmp_path / "none", MissingError)):
        with pytest.raises(error):
            blocks(path if path is tmp_path else tmp_path / path)
    assert blocks(tmp_path / "/dev/null") == []


def packed(kind, content):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.log", content)
    elif kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            found = tarfile.TarInfo("a.log")
            found.size = len(content)
            archive.addfile(found, io.BytesIO(content))
    else:
        return {"gzip": gzip.compress, "zstd": zstandard.compress, "bzip2": bz2.compress, "xz": lzma.compress}[kind](
            content
        )
    return buffer.getvalue()


@pytest.mark.parametrize("outer", ["", "gzip", "zstd"])
@pytest.mark.parametrize("inner", ["zip", "tar", "gzip", "zstd", "bzip2", "xz"])
def test_archive_and_nested_compression_are_refused_with_the_command_that_unpacks_them(tmp_path, outer, inner):
    path = tmp_path / "a log"
    content = packed(inner, b"x" * 5000)
    path.write_bytes(packed(outer, content) if outer else content)
    if not outer and inner in PACKED:
        assert b"".join(block.content for block in blocks(path)) == b"x" * 5000
        return
    with pytest.raises(DataError, match="archive, or compressed twice: nothing was stored") as raised:
        blocks(path)
    assert f"'{path}' | " in str(raised.value)
    assert "\n" not in str(raised.value)

"""CSV of stages is a heading and complete rows, or refused."""

import os

import pytest

from roundoff.errors import DataError
from roundoff.system.tables import read_table


def test_rows_have_the_headings_names(tmp_path):
    (tmp_path / "a.csv").write_text('name,value\n"a, b",1\n')
    assert read_table(tmp_path / "a.csv", "train", ("name",)) == [{"name": "a, b", "value": "1"}]
    (tmp_path / "a.csv").write_text("name,value\n")
    assert read_table(tmp_path / "a.csv", "train") == []
    assert read_table(None, "train") == read_table(tmp_path / "none.csv", "train") == []


BROKEN = {
    "nothing": b"",
    "bytes": b"name,value\n\xff,1\n",
    "short row": b"name,value\na\n",
    "long row": b"name,value\na,1,2\n",
    "heading twice": b"name,name\na,b\n",
    "another heading": b"other\na\n",
    "open quote": b'name\n"a\n',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.csv cannot be read(.|\n)*dvc repro -f train"):
        read_table(tmp_path / "a.csv", "train", ("name",))


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(DataError, match="a pipe, a socket or a device"):
        read_table(tmp_path / "a.csv", "train")

"""What is written for a name that is no UTF-8."""

import pytest

from roundoff.system.files import read_json, write_json, write_text
from roundoff.system.printable import printable


def test_a_byte_that_is_no_utf_8_becomes_its_escape():
    assert printable(b"caf\xe9 \xc3\xa9".decode("utf-8", "surrogateescape")) == r"caf\udce9 é"


def test_text_is_written_with_escapes_and_json_is_refused(tmp_path):
    write_text(tmp_path / "a.md", "\udcff →\n")
    assert (tmp_path / "a.md").read_bytes() == "\\udcff →\n".encode()
    write_json(tmp_path / "a.json", {"a": "→"})
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_json(tmp_path / "a.json", {"a": "\udcff"})
    assert read_json(tmp_path / "a.json") == {"a": "→"}

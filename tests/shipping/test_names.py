"""A shipped folder of any name, and an output of any encoding."""

import os
import sys
from io import BytesIO, TextIOWrapper

from roundoff.cli import main


def test_a_folder_whose_name_is_no_utf_8_is_shipped_and_told(small, tmp_path, capsys):
    place = tmp_path / os.fsdecode(b"s\xff")
    assert main(["ship", str(place), "--project", str(small), "--cell", "fp32/ort"]) == 0
    assert r"s\udcff, " in capsys.readouterr().out
    assert main(["verify", str(place)]) == 0
    (place / os.fsdecode(b"\xfe")).touch()
    assert main(["verify", str(place)]) == 2
    assert r"\udcfe, which was not shipped" in capsys.readouterr().err


def test_the_chain_is_told_in_ascii(shipped, monkeypatch):
    output = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["verify", str(shipped)]) == 0
    output.seek(0)
    assert r"images \u2192 model" in output.read()

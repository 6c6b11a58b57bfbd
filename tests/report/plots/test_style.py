"""Class names in pictures: of any of the scripts that the fonts have, drawn as letters and cut to the room there is."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from roundoff.report.plots.model import confusion_figure, short
from roundoff.report.plots.style import _fonts
from roundoff.results.message import Words

NAMES = ["猫", "犬 (いぬ)", "カタカナ", "简体中文 们这", "繁體貓", "한국어 강아지", "Ångström ß", "Ж Ω"]


def test_chinese_japanese_and_korean_names_have_glyphs():
    assert _fonts() == ["DejaVu Sans", "Noto Sans CJK JP"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each glyph that no font has
        drawn = confusion_figure("int8", np.eye(len(NAMES), dtype=np.int64), NAMES, Words("en"))
    assert drawn is not None


def test_a_script_without_a_font_is_what_is_warned_of():
    with pytest.warns(UserWarning, match="Glyph"):
        confusion_figure("int8", np.eye(2, dtype=np.int64), ["\N{EGYPTIAN HIEROGLYPH A001}", "b"], Words("en"))


def test_the_font_is_found_without_its_package_changing_matplotlibs_settings():
    program = (
        "import sys, matplotlib; from roundoff.report.plots.style import _fonts; before = dict(matplotlib.rcParams); "
        "_fonts(); assert dict(matplotlib.rcParams) == before; assert 'notojp_matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("name", "length", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "…cdefg"),
        ("猫猫猫", 6, "猫猫猫"),
        ("猫猫猫猫", 6, "…猫猫"),
        ("猫猫ab", 6, "猫猫ab"),
        ("x猫猫ab", 6, "…猫ab"),
        ("", 6, ""),
    ],
)
def test_a_long_name_is_cut_where_its_letters_fill_the_room(name, length, shown):
    assert short(name, length) == shown

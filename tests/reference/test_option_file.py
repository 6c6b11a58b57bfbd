"""What a YAML's comments say of its keys."""

from roundoff.reference.option_file import read_option

TEXT = """\
# @package more.mine
# What it is for,
# in two lines.
_target_: roundoff.report.report.Report
language: en # behind it
# Above both,
flip_examples: 12
price_per_hour: null
section:
  inner: ???
  # of its own
  list: [1, 2] # behind "a # b"
"""


def test_comments_become_meanings(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    option = read_option(path, "elsewhere")
    assert (option.name, option.place, option.purpose) == ("mine", "more.mine", "What it is for, in two lines.")
    assert {key.name: (key.kind, key.default, key.meaning) for key in option.keys} == {
        "language": ("text", "`en`", "behind it"),
        "flip_examples": ("integer", "`12`", "Above both,"),
        "price_per_hour": ("number or null", "`null`", "Above both,"),
        "section.inner": ("text", "*required*", ""),
        "section.list": ("list", "`[1,2]`", 'behind "a # b"'),
    }


def test_without_a_comment_the_docstring_says_what_it_is_for(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("_target_: roundoff.calibration.minmax.MinMax\nimages: 320\n")
    option = read_option(path, "calibrate")
    assert (option.place, option.purpose) == ("calibrate", "Clips at the largest magnitude seen.")

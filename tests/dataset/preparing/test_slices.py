"""A user's table of the test images, checked and put into the split's order."""

import csv
import io
from dataclasses import dataclass

import pytest

from roundoff.dataset.base import OpenDataset
from roundoff.dataset.preparing.slices import MOST_VALUES, sliced
from roundoff.errors import DataError

NAMES = ["cat/1.png", "cat/2.png", "dog/1.png"]


@dataclass
class Opened(OpenDataset):
    """Three test images, with names or without."""

    called: list[str] | None = None

    def read(self, split):
        raise AssertionError("the table is checked before any image is read")

    def count(self, split):
        return {"test": 3}[split]

    def names(self, split):
        return {"test": self.called}[split]


def table(tmp_path, text):
    path = tmp_path / "slices.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_come_in_the_order_of_the_images_by_index(tmp_path):
    path = table(tmp_path, "light,image\nnight,2\nday,0\n,1\n")
    assert sliced(path, Opened()) == "test_image,light\n0,day\n1,\n2,night\n"


def test_images_that_have_names_go_by_them(tmp_path):
    path = table(tmp_path, '\ufeffimage,place\ndog/1.png,"a, b"\n2.png,b\ncat/1.png,c\n')
    rows = list(csv.reader(io.StringIO(sliced(path, Opened(NAMES)))))
    assert rows == [["test_image", "place"], ["0", "c"], ["1", "b"], ["2", "a, b"]]


def test_without_a_table_there_is_its_head_alone():
    assert sliced(None, Opened()) == "test_image\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,light\n0,day\n1,day\n", "no row of 2"),
        ("image,light\n0,day\n1,day\n2,day\n2,night\n", "two rows of 2"),
        ("image,light\n0,day\n1,day\n3,day\n", r"no test image 3(.|\n)*indices from 0 to 2"),
        ("name,light\n0,day\n", r"columns name, light(.|\n)*a column image"),
        ("image\n0\n1\n2\n", "columns none"),
        ("image,class\n0,a\n1,a\n2,a\n", r"none of them class"),
        ("image,a,a\n0,1,2\n1,1,2\n2,1,2\n", "columns image, a, a"),
        ("image,light\n0,day,more\n1,day\n2,day\n", "row 2 has another number"),
        ("image,light\n0\n1,day\n2,day\n", "row 2 has another number"),
        ("image,light\n", "0 rows"),
        ("", "columns none"),
    ],
)
def test_a_table_that_is_not_one_of_the_test_images_is_refused(tmp_path, text, said):
    with pytest.raises(DataError, match=rf"prepare\.slices (.|\n)*{said}"):
        sliced(table(tmp_path, text), Opened())


def test_a_name_that_two_images_share_needs_its_class(tmp_path):
    path = table(tmp_path, "image,light\n1.png,a\n2.png,a\ndog/1.png,a\n")
    with pytest.raises(DataError, match=r"no test image 1\.png(.|\n)*CLASS/FILE"):
        sliced(path, Opened(NAMES))


def test_a_column_of_numbers_is_refused_with_the_remedy(tmp_path):
    class Many(Opened):
        def count(self, split):
            return MOST_VALUES + 1

    rows = "".join(f"{index},{index / 7}\n" for index in range(MOST_VALUES + 1))
    with pytest.raises(DataError, match=r"1001 values in the column brightness(.|\n)*ranges"):
        sliced(table(tmp_path, f"image,brightness\n{rows}"), Many())


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "slices.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="a CSV file in UTF-8"):
        sliced(path, Opened())

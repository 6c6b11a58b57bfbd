"""sensitivity.csv that the stage did not write is refused."""

from dataclasses import fields

import pytest

from roundoff.errors import DataError
from roundoff.results.sensitivity import Effect, read_effects

HEADING = ",".join(field.name for field in fields(Effect))
FEW = HEADING.count(",")


@pytest.mark.parametrize("text", ["", HEADING + "\na,b\n", f"{HEADING}\n{'x,' * FEW}x\n", f"{HEADING}\n{',' * FEW}\n"])
def test_what_is_no_table_of_effects_is_refused(tmp_path, text):
    (tmp_path / "sensitivity.csv").write_text(text)
    with pytest.raises(DataError, match=r"sensitivity\.csv"):
        read_effects(tmp_path / "sensitivity.csv")

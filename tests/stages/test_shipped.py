"""What a finished run ships, as a user does it: the folder is whole, and its chain holds."""

from tests.stages.conftest import CELLS


def test_every_measured_cell_can_be_shipped_and_is_whole(finished, tmp_path):
    for cell in CELLS:
        folder = tmp_path / "_".join(cell)
        for words in (("ship", str(folder), "--cell", "/".join(cell)), ("verify", str(folder))):
            run = finished.python("-m", "roundoff.cli", *words)
            assert run.returncode == 0, run.stderr
        assert ("calibration.json" in {path.name for path in folder.iterdir()}) == (cell[0] == "int8")

"""The fingerprint's file: what was published reads and writes as it is."""

import json

import pytest

from roundoff.errors import DataError
from roundoff.results.checked import as_json
from roundoff.results.platform import Cpu, Gpu, Platform, fingerprint_id, read_platform, write_platform
from tests.support.places import ROOT

PUBLISHED = sorted([ROOT / "platform.json", *(ROOT / "results").rglob("platform.json")])


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_was_published_is_written_as_it_was_read(path, tmp_path):
    machine = read_platform(path)
    write_platform(machine, tmp_path / "platform.json")
    assert (tmp_path / "platform.json").read_bytes() == path.read_bytes()
    assert fingerprint_id(machine) == machine.id


def test_every_part_survives_the_file(tmp_path):
    gpu = Gpu(name="NVIDIA GB10", uuid="GPU-1", sm="12.1", memory_mb=None)
    machine = Platform(id="a", cpu=Cpu(model="Z80", cores=1), gpus=[gpu], driver="580.1", libraries={"onnx": "1"})
    write_platform(machine, tmp_path / "platform.json")
    assert read_platform(tmp_path / "platform.json") == machine


def test_missing_parts_are_null(tmp_path):
    (tmp_path / "platform.json").write_text("{}")
    assert as_json(read_platform(tmp_path / "platform.json")) == as_json(Platform())


def test_an_impossible_part_is_named(tmp_path):
    (tmp_path / "platform.json").write_text(json.dumps({"cpu": {"cores": -1}}))
    with pytest.raises(DataError, match=r"platform\.json holds what cannot be(.|\n)*cpu\.cores"):
        read_platform(tmp_path / "platform.json")

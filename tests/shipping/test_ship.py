"""`roundoff ship` and `verify`: what is in the folder, and that no byte of it may change."""

import json
import shutil

import numpy as np
import onnx
import pytest

from roundoff.cli import main
from roundoff.errors import DataError, RoundoffError
from roundoff.results.checked import as_json
from roundoff.shipping.manifest import NAME, chained, read_shipment
from roundoff.shipping.pack import Order, ship
from roundoff.shipping.verify import verify
from roundoff.system.files import read_json, sha256_of, write_json
from tests.shipping.conftest import BACKENDS
from tests.shipping.forged import rewritten

ALWAYS = {"LICENSE", "README.md", "cell.json", "data.json", "labels.txt", "preprocessing.json", "verdict.json"}
CALIBRATED = ALWAYS | {"graph.onnx", "model.onnx", "calibration.json"}


def test_what_the_verdict_ships_is_shipped_whole(shipped, small):
    shipment = verify(shipped)
    assert shipment.cell == "int8/ort"
    assert set(shipment.files) == CALIBRATED
    assert [link.name for link in shipment.chain] == ["images", "model", "graph", "table", "engine", "verdict"]
    hashes = {link.name: link.sha256 for link in shipment.chain}
    paths = {"model": "models/trained/model.keras", "graph": "models/onnx/model.onnx"}
    paths |= {"images": "data/prepared/manifest.json", "table": "models/calibration/table.json"}
    paths |= {"engine": "models/engines/int8/ort/model.onnx", "verdict": "metrics/verdict.json"}
    assert hashes == {name: sha256_of(small / path) for name, path in paths.items()}


def test_a_reader_knows_what_to_feed_and_what_the_answers_mean(shipped):
    assert (shipped / "labels.txt").read_text() == "cat\ndog\n画像\ntwo words\n"
    told = read_json(shipped / "preprocessing.json")
    graph = onnx.load(shipped / "model.onnx").graph
    assert (told["input"]["name"], told["output"]["name"]) == (graph.input[0].name, graph.output[0].name)
    assert told["input"]["shape"] == ["N", 8, 8, 3]
    assert told["output"]["shape"] == ["N", 4]


def test_the_model_card_says_what_was_measured(shipped):
    text = (shipped / "README.md").read_text().replace("\u00a0", " ")
    assert "# int8/ort" in text
    assert "It holds its target: keep 99 % of the reference's accuracy." in text
    assert "| Top-1 accuracy | 90.00 % (89.4–90.6) |" in text
    assert "batch size 1 | 1.00 ms (0.990–1.01) |" in text
    assert "Images: quadrants, 160 for training" in text


def test_the_card_speaks_japanese(small, tmp_path):
    ship(small, "metrics", Order(tmp_path / "it", language="ja"))
    assert "ort 向けの int8 の画像分類器" in (tmp_path / "it/README.md").read_text()


def test_the_folder_is_what_the_backend_loads(shipped):
    with BACKENDS["ort"].load(shipped) as runner:
        assert runner.infer(np.zeros((1, 8, 8, 3), np.uint8)).shape == (1, 4)


def test_shipping_again_gives_the_same_bytes_and_replaces_its_own(shipped, small, tmp_path):
    directory = tmp_path / "it"
    for cell in ("fp32/copying", None):
        ship(small, "metrics", Order(directory, cell=cell))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == {
        path.name: path.read_bytes() for path in shipped.iterdir()
    }


def test_a_cell_without_a_graph_of_its_own_brings_the_one_that_its_images_are_told_by(small, tmp_path):
    ship(small, "metrics", Order(tmp_path / "it", cell="fp32/copying"))
    shipment = verify(tmp_path / "it")
    assert set(shipment.files) == ALWAYS | {"model.bin", "source.onnx"}
    assert [link.name for link in shipment.chain] == ["images", "model", "graph", "engine", "verdict"]


def test_a_cell_that_fails_is_shipped_where_it_is_named_and_its_card_says_so(small, tmp_path):
    ship(small, "metrics", Order(tmp_path / "it", cell="int8/copying"))
    assert "It does not hold its target" in (tmp_path / "it/README.md").read_text()


@pytest.mark.parametrize("name", sorted(CALIBRATED | {NAME}))
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_byte_is_refused(copy, name, place):
    content = bytearray((copy / name).read_bytes())
    content[place] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(DataError, match=r"is not what was shipped(.|\n)*" + name):
        verify(copy)


@pytest.mark.parametrize("name", sorted(CALIBRATED | {NAME}))
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(DataError, match=f"received: no {name}"):
        verify(copy)


@pytest.mark.parametrize("make", ["file", "nested", "link"])
def test_a_further_file_is_refused(copy, make):
    if make == "link":
        (copy / "more.txt").symlink_to(copy / "LICENSE")
    else:
        path = copy / ("deeper/more.txt" if make == "nested" else "more.txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text("more")
    with pytest.raises(DataError, match=r"is not what was shipped(.|\n)*more.txt"):
        verify(copy)


def test_another_table_breaks_the_chain_though_all_hashes_are_new(copy):
    table = read_json(copy / "calibration.json")
    table["ranges"]["logits"]["high"] = 0.5
    write_json(copy / "calibration.json", table)
    rewritten(copy)
    with pytest.raises(DataError, match=r"the calibration table that the engine was made from"):
        verify(copy)


def test_other_images_break_the_chain_though_all_hashes_are_new(copy):
    write_json(copy / "data.json", read_json(copy / "data.json") | {"seed": 7})
    rewritten(copy)
    with pytest.raises(DataError, match=r"the images that the engine was made from"):
        verify(copy)


def test_another_engine_breaks_the_chain_though_all_hashes_are_new(copy):
    with (copy / "model.onnx").open("ab") as file:
        file.write(b"\0")
    rewritten(copy)
    with pytest.raises(DataError, match=r"as in cell.json"):
        verify(copy)


def test_another_verdict_breaks_the_chain(copy):
    verdict = read_json(copy / "verdict.json")
    verdict["cells"]["int8/ort"]["verdict"] = "fail"
    write_json(copy / "verdict.json", verdict)
    rewritten(copy)
    with pytest.raises(DataError, match="a chain that does not hold at: verdict"):
        verify(copy)


def test_a_link_that_was_left_out_breaks_the_chain(copy):
    chain = [(link.name, link.sha256, link.file) for link in read_shipment(copy).chain if link.name != "table"]
    rewritten(copy, chain=as_json(chained(chain)))
    with pytest.raises(DataError, match="a chain that does not hold"):
        verify(copy)


def test_who_knows_the_seal_knows_the_folder(copy, capsys):
    seal = read_shipment(copy).seal
    assert main(["verify", str(copy), "--seal", seal]) == 0
    assert f"seal:  {seal}" in capsys.readouterr().out
    (copy / "LICENSE").write_text("mine now")
    rewritten(copy)
    assert main(["verify", str(copy)]) == 0  # all is consistent, but for the seal
    assert main(["verify", str(copy), "--seal", seal]) == 2
    assert "is not what was shipped" in capsys.readouterr().err


def test_a_folder_of_something_else_is_not_replaced(small, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("kept")
    with pytest.raises(RoundoffError, match=r"is not replaced(.|\n)*notes.txt"):
        ship(small, "metrics", Order(tmp_path / "mine"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_what_was_shipped_and_then_added_to_is_not_replaced(copy, small):
    (copy / "notes.txt").write_text("kept")
    with pytest.raises(RoundoffError, match=r"is not replaced(.|\n)*notes.txt"):
        ship(small, "metrics", Order(copy))


def test_an_engine_of_another_run_is_not_shipped(project, tmp_path):
    (project / "data/prepared/manifest.json").write_text(json.dumps({"classes": ["a", "b"], "shape": [8, 8, 3]}))
    with pytest.raises(DataError, match=r"the images that the engine was made from"):
        ship(project, "metrics", Order(tmp_path / "it"))
    assert not (tmp_path / "it").exists()


def test_an_engine_that_was_not_measured_is_not_shipped(project, tmp_path):
    builds = read_json(project / "metrics/build-int8.json")
    builds["ort"]["sha256"]["model.onnx"] = 64 * "0"
    write_json(project / "metrics/build-int8.json", builds)
    with pytest.raises(DataError, match="is not the engine that was measured"):
        ship(project, "metrics", Order(tmp_path / "it"))


def test_what_is_not_here_is_told(project, tmp_path):
    shutil.rmtree(project / "models/engines")
    with pytest.raises(DataError, match=r"paths.engines is not here(.|\n)*dvc pull"):
        ship(project, "metrics", Order(tmp_path / "it"))


def test_a_model_without_a_licence_is_not_shipped(project, tmp_path):
    (project / "LICENSE").unlink()
    with pytest.raises(DataError, match=r"no licence(.|\n)*--license FILE"):
        ship(project, "metrics", Order(tmp_path / "it"))
    (tmp_path / "terms").write_text("ask first")
    ship(project, "metrics", Order(tmp_path / "it", license=tmp_path / "terms"))
    assert (tmp_path / "it/LICENSE").read_text() == "ask first"


def test_the_command_says_what_it_shipped(small, tmp_path, capsys):
    status = main(["ship", str(tmp_path / "it"), "--project", str(small), "--cell", "fp32/ort"])
    assert (status, capsys.readouterr().out.splitlines()[0][:17]) == (0, "shipped: fp32/ort")
    assert main(["ship", str(tmp_path / "it"), "--project", str(small), "--cell", "int8/orr"]) == 2
    assert "--cell int8/orr" in capsys.readouterr().err


def test_a_folder_that_was_never_shipped_is_told(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "no ship.json" in capsys.readouterr().err

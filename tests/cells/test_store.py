"""Cells on disk: what is written, what is refused."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from omegaconf import OmegaConf
from onnx import TensorProto, helper

from roundoff.backend.base import Backend
from roundoff.calibration.base import CalibrationTable, Provenance, TensorRange
from roundoff.cells import engine
from roundoff.cells.cell import find_cells
from roundoff.cells.inputs import Inputs
from roundoff.cells.sidecar import read_cell
from roundoff.cells.store import (
    build_cell,
    build_directories,
    build_or_tell,
    cells,
    open_cell,
)
from roundoff.errors import BuildError, ConfigError, GateError, Unavailable
from roundoff.precision.base import Precision
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.given import Given
from roundoff.results.build import BuildInfo, Builds
from roundoff.results.message import message
from roundoff.results.platform import Cpu, Gpu, Platform
from roundoff.system.files import sha256_of
from roundoff.system.slots import build_stage
from tests.support.present import present

MACHINE = Platform(id="abc", cpu=Cpu(model="Z80", cores=1), libraries={"fake": "1.0"})


@dataclass(frozen=True)
class Copying(Backend):
    """Ships the graph as it is, and remembers nothing."""

    artifact: ClassVar[str] = "model.bin"
    bound_to: ClassVar[tuple[str, ...]] = ("cpu.model", "libraries.fake")

    threads: int = 1
    refuses: str | None = None
    fails: bool = False
    sizes: list[int] = field(default_factory=list)

    def refusal(self, precision):
        return self.refuses

    def build(self, source, directory):
        if source.log:
            source.log.parent.mkdir(parents=True, exist_ok=True)
            source.log.write_text("x" * 1000)
        (directory / "notes.txt").write_text("x" * 1000)
        if self.fails:
            raise Unavailable("no such unit")
        (directory / self.artifact).write_bytes(source.graph.read_bytes())
        return BuildInfo(build_warnings=1)

    def load(self, directory):
        return (directory / self.artifact).read_bytes()


@dataclass(frozen=True)
class FromKeras(Copying):
    takes_onnx: ClassVar[bool] = False

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(source.keras.read_bytes())
        return BuildInfo()


@dataclass(frozen=True)
class FromTflite(Copying):
    takes_onnx: ClassVar[bool] = False
    takes_tflite: ClassVar[bool] = True

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(source.tflite.read_bytes() + source.table.name.encode())
        return BuildInfo()


@dataclass(frozen=True)
class Renamed(Precision):
    """A conversion that shows: the graph gets the name of the table's method."""

    weights: ClassVar[str] = "float32"
    activations: ClassVar[str] = "float32"

    def convert(self, model, grid, table):
        converted = onnx.ModelProto()
        converted.CopyFrom(model)
        converted.graph.name = f"{grid.activation} {table.provenance.method if table else None}"
        return converted


@dataclass(frozen=True)
class Calibrated(Renamed):
    needs_calibration: ClassVar[bool] = True


@pytest.fixture
def inputs(tmp_path):
    value = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 2, 2, 3])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2, 2, 3])
    node = helper.make_node("Cast", ["image"], ["logits"], to=TensorProto.FLOAT)
    onnx.save(helper.make_model(helper.make_graph([node], "original", [value], [result])), tmp_path / "model.onnx")
    (tmp_path / "model.keras").write_bytes(b"keras")
    ranges = {"logits": TensorRange(0.0, 1.0, 0.0, 1.0, "minmax", 0.0)}
    CalibrationTable(ranges, Provenance(method="minmax")).save(tmp_path / "table.json")
    images = np.zeros((2, 2, 2, 3), np.uint8)
    return Inputs(tmp_path / "model.onnx", tmp_path / "model.keras", tmp_path / "table.json", images, MACHINE)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "engines" / "fp32" / "copying"


def build(inputs, directory, backend=None, precision=None):
    return build_cell("copying", backend or Copying(), "fp32", precision or Renamed(), inputs, directory)


@dataclass(frozen=True)
class Timing(Copying):
    """Times its choices on a device, twice; writes down which locks were held."""

    repeats: int = 2
    held: list[str] = field(default_factory=list)
    seen: list[list[str]] = field(default_factory=list)

    def builds_on(self):
        return "GPU-1"

    def build(self, source, directory):
        self.seen.append(list(self.held))
        return super().build(source, directory)


def test_a_backend_that_times_its_choices_builds_under_its_devices_lock(inputs, directory, monkeypatch):
    backend, taken = Timing(), []

    @contextmanager
    def lock(device):
        taken.append(device)
        backend.held.append(device)
        yield 0.0
        backend.held.remove(device)

    monkeypatch.setattr(engine, "device_lock", lock)
    build(inputs, directory, backend)
    assert backend.seen == [["GPU-1"], ["GPU-1"]]
    build(inputs, directory, Copying())
    assert taken == ["GPU-1"]


def test_sidecar_says_what_was_built_from_what(inputs, directory):
    metrics, sidecar = build(inputs, directory, Copying(threads=3)), read_cell(directory)
    assert (metrics.status, metrics.size_mb) == (sidecar.status, sidecar.size_mb)
    assert (sidecar.status, sidecar.reason, sidecar.build_info) == ("built", None, BuildInfo(build_warnings=1))
    assert sidecar.backend.name == "copying"
    assert sidecar.backend.config == {"threads": 3, "refuses": None, "fails": False, "sizes": []}
    assert sidecar.precision.type.endswith("Renamed")
    assert sidecar.sources == {"onnx": sha256_of(inputs.onnx)}
    assert sidecar.fingerprint == MACHINE
    assert set(sidecar.files) == set(metrics.sha256) == {"graph.onnx", "model.bin", "notes.txt"}
    assert metrics.build_s > 0


def test_a_backend_of_keras_models_is_unavailable_without_one(inputs, directory):
    sidecar = build(replace(inputs, keras=None), directory, FromKeras())
    assert sidecar.status == "unavailable"
    assert sidecar.reason.code == "no_keras"
    build(inputs, directory, FromKeras())
    assert read_cell(directory).sources == {"keras": sha256_of(inputs.keras)}


def test_a_backend_of_float_tflite_models_says_why_there_is_none(inputs, directory):
    missing = replace(inputs, why_no_tflite=message("no_keras_but_onnx"))
    assert build(missing, directory, FromTflite()).reason == message("no_keras_but_onnx")


def test_a_cell_of_a_float_tflite_model_is_of_what_chose_its_ranges_too(inputs, directory, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"float")
    build(replace(inputs, keras=None, tflite=tmp_path / "model.tflite"), directory, FromTflite(), Calibrated())
    sidecar = read_cell(directory)
    assert set(sidecar.sources) == {"tflite", "onnx", "calibration", "images"}
    assert sidecar.sources["tflite"] == sha256_of(tmp_path / "model.tflite")
    assert (directory / "model.bin").read_bytes() == b"floattable.json"


@dataclass(frozen=True)
class Varying(Copying):
    """Builds differ, but for the third, which is the second once more."""

    repeats: int = 1

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(b"again" if source.again else b"first")
        return BuildInfo()


@pytest.mark.parametrize(("repeats", "different", "names"), [(1, 1, []), (2, 2, ["2"]), (3, 2, ["2"])])
def test_further_builds_are_kept_where_they_differ(inputs, directory, repeats, different, names):
    sidecar = build(inputs, directory, Varying(repeats=repeats))
    assert sidecar.builds == Builds(count=repeats, different=different)
    assert build_directories(directory) == [directory, *(directory / "rebuilds" / name for name in names)]
    assert [(path / "model.bin").read_bytes() for path in build_directories(directory)] == [b"first", b"again"][
        :different
    ]


def test_an_altered_further_build_is_refused(inputs, directory):
    build(inputs, directory, Varying(repeats=2))
    (directory / "rebuilds/2/model.bin").write_bytes(b"AGAIN")
    with pytest.raises(BuildError, match=r"rebuilds/2/model\.bin with SHA-256"):
        open_cell(Varying(repeats=2), directory, MACHINE)


def test_size_is_that_of_the_artifact_alone(inputs, directory):
    sidecar = build(inputs, directory)
    assert sidecar.size_mb == (directory / "model.bin").stat().st_size / 1e6


def test_lists_of_a_configuration_are_recorded(inputs, directory):
    sizes: Any = OmegaConf.create([1, 2])
    build(inputs, directory, Copying(sizes=sizes))
    assert read_cell(directory).backend.config["sizes"] == [1, 2]


def test_a_table_reaches_only_the_precision_that_needs_it(inputs, directory):
    build(inputs, directory, precision=Calibrated())
    assert onnx.load(directory / "graph.onnx").graph.name == "int8 minmax"
    assert read_cell(directory).sources["calibration"] == sha256_of(inputs.table)
    build(inputs, directory)
    assert "calibration" not in read_cell(directory).sources
    assert onnx.load(directory / "graph.onnx").graph.name == "int8 None"


def test_a_backend_that_takes_keras_gets_no_graph(inputs, directory):
    build(inputs, directory, FromKeras(), Calibrated())
    assert set(read_cell(directory).files) == {"model.bin"}
    assert set(read_cell(directory).sources) == {"keras", "images"}


def test_a_refusal_leaves_the_sidecar_alone(inputs, directory):
    sidecar = build(inputs, directory, Copying(refuses="no kernels"))
    assert (sidecar.status, str(sidecar.reason)) == ("unavailable", "no kernels")
    assert [path.name for path in directory.iterdir()] == ["cell.json"]


def test_a_build_that_finds_itself_unavailable_leaves_the_sidecar_alone(inputs, directory):
    build(inputs, directory)
    assert str(build(inputs, directory, Copying(fails=True)).reason) == "no such unit"
    assert [path.name for path in directory.iterdir()] == ["cell.json"]


def test_a_failed_build_leaves_the_previous_cell(inputs, directory):
    build(inputs, directory)
    before = read_cell(directory)
    (inputs.onnx).write_bytes(b"not a graph")
    with pytest.raises(Exception, match="Error parsing message"):
        build(inputs, directory)
    assert read_cell(directory) == before
    assert [path.name for path in directory.parent.iterdir()] == ["copying"]


def test_opening_loads_the_artifact(inputs, directory):
    build(inputs, directory)
    assert open_cell(Copying(), directory, MACHINE) == (directory / "graph.onnx").read_bytes()


def test_opening_an_unavailable_cell_repeats_its_reason(inputs, directory):
    build(inputs, directory, Copying(refuses="no kernels"))
    with pytest.raises(Unavailable, match="no kernels"):
        open_cell(Copying(), directory, MACHINE)


def test_an_altered_artifact_is_refused_by_hash(inputs, directory):
    known = build(inputs, directory).sha256["model.bin"]
    content = bytearray((directory / "model.bin").read_bytes())
    content[-1] ^= 1
    (directory / "model.bin").write_bytes(content)
    with pytest.raises(BuildError, match=known):
        open_cell(Copying(), directory, MACHINE)


def test_a_truncated_artifact_is_refused_with_both_sizes(inputs, directory):
    build(inputs, directory)
    size = read_cell(directory).files["model.bin"].bytes
    (directory / "model.bin").write_bytes((directory / "model.bin").read_bytes()[:-3])
    with pytest.raises(BuildError, match=rf"{size - 3} bytes\n.*{size} bytes"):
        open_cell(Copying(), directory, MACHINE)


def test_a_missing_artifact_is_refused(inputs, directory):
    build(inputs, directory)
    (directory / "model.bin").unlink()
    with pytest.raises(BuildError, match=r"no model\.bin"):
        open_cell(Copying(), directory, MACHINE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": Cpu(model="6502", cores=1)}, r"cpu\.model was Z80 .*abc.* 6502 .*def"),
        ({"libraries": {"fake": "2.0"}}, r"libraries\.fake was 1\.0 .* 2\.0"),
        ({"libraries": {}}, r"libraries\.fake was 1\.0 .* None"),
    ],
)
def test_another_machine_is_refused_with_both_fingerprints(inputs, directory, change, words):
    build(inputs, directory)
    with pytest.raises(Unavailable, match=words):
        open_cell(Copying(), directory, replace(MACHINE, **change, id="def"))


def test_a_change_that_the_artifact_does_not_depend_on_is_accepted(inputs, directory):
    build(inputs, directory)
    assert open_cell(Copying(), directory, replace(MACHINE, gpus=[Gpu(sm="9.0")], id="def"))


def test_a_folder_without_a_sidecar_is_refused(tmp_path):
    with pytest.raises(BuildError, match=r"cell\.json"):
        read_cell(tmp_path)


@pytest.mark.parametrize("content", ['{"format": 1', "[]", '{"format": 99}'])
def test_a_broken_or_foreign_sidecar_is_refused(tmp_path, content):
    (tmp_path / "cell.json").write_text(content)
    with pytest.raises(BuildError, match=r"cell\.json"):
        read_cell(tmp_path)


def test_cells_are_listed_in_order_without_unfinished_ones(inputs, tmp_path):
    root = tmp_path / "engines"
    for place in ("int8/b", "fp32/b", "fp32/a"):
        build(inputs, root / place)
    shutil.copytree(root / "fp32/a", root / "fp32/.partial.c")
    (root / "fp32" / "empty").mkdir()
    assert [(cell.precision, cell.backend) for cell in cells(root)] == [("fp32", "a"), ("fp32", "b"), ("int8", "b")]
    assert cells(root)[0].directory == root / "fp32/a"
    assert cells(tmp_path / "nowhere") == []


def test_sidecar_is_plain_json(inputs, directory):
    build(inputs, directory)
    assert json.loads(Path(directory, "cell.json").read_text())["format"] == 3


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a b", "/etc", "é"])
def test_a_name_that_leads_out_of_its_folder_is_refused(inputs, directory, name):
    for backend, precision in ((name, "fp32"), ("copying", name)):
        with pytest.raises(ConfigError, match="cannot name a folder"):
            build_cell(backend, Copying(), precision, Renamed(), inputs, directory)
        with pytest.raises(ConfigError, match="cannot name a folder"):
            find_cells(directory, {precision: Fp32()}, {backend: Copying()})
    assert not directory.exists()


def test_building_again_gives_the_same_bytes_and_logs_lie_elsewhere(inputs, directory, tmp_path):
    with_logs = replace(inputs, logs=tmp_path / "logs", backends=("copying",))
    seen = []
    for _ in range(2):
        assert build(with_logs, directory).build_s > 0
        seen.append({path.name: sha256_of(path) for path in directory.iterdir()})
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"graph.onnx", "model.bin", "notes.txt", "cell.json"}
    assert (tmp_path / "logs/fp32/copying.log").read_text() == "x" * 1000


def test_what_is_not_the_cells_own_is_not_replaced(inputs, directory):
    build(inputs, directory)
    (directory / "thesis.tex").write_text("kept")
    with pytest.raises(ConfigError, match=r"is not replaced[^$]*thesis\.tex"):
        build(inputs, directory)
    assert (directory / "thesis.tex").read_text() == "kept"


@dataclass(frozen=True)
class Breaking(Copying):
    """Raises what roundoff knows nothing of."""

    error: str = "RuntimeError"

    def build(self, source, directory):
        (directory / "build.log").write_text("x")
        raise {"RuntimeError": RuntimeError("kernel 7 missing"), "MemoryError": MemoryError()}[self.error]


def test_a_build_that_fails_is_a_sidecar_alone_with_the_reason_and_the_command(inputs, directory):
    build(inputs, directory)
    metrics = build_or_tell("copying", Breaking(), "fp32", Renamed(), inputs, directory)
    told = ("failed", message("doing_failed", doing=message("doing_build")), "RuntimeError: kernel 7 missing")
    for each in (metrics, read_cell(directory)):
        assert (each.status, each.reason, each.detail) == told
        assert each.rerun == "dvc repro -f build-fp32"
    assert [path.name for path in directory.iterdir()] == ["cell.json"]
    with pytest.raises(BuildError, match="kernel 7 missing"):
        open_cell(Breaking(), directory, MACHINE)


def test_a_strict_build_that_fails_is_an_error_and_the_previous_cell_stays(inputs, directory):
    build(inputs, directory)
    before = read_cell(directory)
    with pytest.raises(GateError, match=r"the build failed(.|\n)*kernel 7 missing") as error:
        build_or_tell("copying", Breaking(), "fp32", Renamed(), inputs, directory, strict=True)
    assert isinstance(error.value.__cause__, RuntimeError)
    assert read_cell(directory) == before


def test_a_build_without_memory_is_unavailable(inputs, directory):
    sidecar = build_or_tell("copying", Breaking(error="MemoryError"), "fp32", Renamed(), inputs, directory)
    assert (sidecar.status, sidecar.rerun) == ("unavailable", None)
    assert str(sidecar.reason).startswith("no memory left for the build")


def test_a_stage_is_named_as_dvc_names_it():
    assert [build_stage(name) for name in ("fp32", "int8", "fp8")] == ["build-fp32", "build-int8", "build-more@fp8"]


@dataclass(frozen=True)
class Telling(Copying):
    """Fails with a message that names its own files."""

    lacks: bool = False

    def build(self, source, directory):
        raise (Unavailable if self.lacks else RuntimeError)(f"cannot read {source.graph}")


@pytest.mark.parametrize("lacks", [False, True])
def test_a_row_without_an_engine_is_the_same_bytes_each_time(inputs, directory, lacks):
    seen = []
    for _ in range(2):
        build_or_tell("copying", Telling(lacks=lacks), "fp32", Renamed(), inputs, directory)
        seen.append((directory / "cell.json").read_text())
    assert seen[0] == seen[1]
    assert f"cannot read {directory}/graph.onnx" in seen[0]


def test_what_the_conversion_keeps_in_float32_stands_among_the_notes(inputs, directory):
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [], [0.5])
    model = onnx.load(inputs.onnx)
    model.graph.node[0].output[0] = "pixels"
    model.graph.node.append(helper.make_node("Add", ["pixels", "pixels"], ["twice"], "double"))
    model.graph.node.append(helper.make_node("MatMul", ["twice", "weight"], ["mixed"], "mix"))
    model.graph.node.append(helper.make_node("Mul", ["mixed", "mixed"], ["squares"], "square"))
    model.graph.node.append(helper.make_node("Add", ["squares", "squares"], ["sums"], "sum"))
    model.graph.node.append(helper.make_node("Mul", ["sums", "factor"], ["logits"], "halve"))
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [3, 3], np.eye(3).ravel())
    model.graph.initializer.extend([factor, weight])
    model.opset_import[0].version, model.ir_version = 18, 9
    onnx.save(model, inputs.onnx)
    images = np.full((2, 2, 2, 3), 100, np.uint8)
    told = build(replace(inputs, calibration=images), directory, precision=Fp16()).build_info
    assert told is not None
    assert [note.code for note in told.notes] == ["kept_for_overflows"]
    assert "sums (8e+04)" in str(told.notes[0])
    assert read_cell(directory).build_info == told


@dataclass(frozen=True)
class OfTflite(FromKeras):
    takes_tflite: ClassVar[bool] = True

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(source.given.read_bytes())
        return BuildInfo(notes=[message("own_ranges")])


@pytest.mark.parametrize(
    ("name", "backend", "reason"),
    [
        ("q.onnx", Copying(), None),
        ("q.tflite", OfTflite(), None),
        ("q.onnx", OfTflite(), "given_is_onnx"),
        ("q.tflite", Copying(), "given_is_tflite"),
        ("q.tflite", FromKeras(), "given_is_tflite"),
    ],
)
def test_a_given_graph_is_built_by_what_reads_it(inputs, directory, name, backend, reason):
    given = inputs.onnx.with_name(name)
    shutil.copy(inputs.onnx, given)
    inputs = replace(inputs, keras=None, table=None, given=given)
    built = build(inputs, directory, backend, Given(f"/elsewhere/{name}"))
    sidecar = read_cell(directory)
    assert sidecar.sources == {"given": sha256_of(given)}
    assert (sidecar.precision.weights, sidecar.ranges) == ("int8", None)
    if reason:
        assert (built.status, built.reason) == ("unavailable", message(reason))
        return
    assert onnx.load(directory / "model.bin") == onnx.load(given)
    assert built.size_mb == (directory / "model.bin").stat().st_size / 1e6
    assert present(sidecar.build_info).notes[0] == message("given_file", file=name)

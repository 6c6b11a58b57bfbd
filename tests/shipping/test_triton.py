"""A Triton model repository: its config.pbtxt is read back by Triton's own protobuf, where that is installed."""

from dataclasses import replace

import pytest

from roundoff.cli import main
from roundoff.errors import RoundoffError
from roundoff.results.build import BuildInfo
from roundoff.shipping.pack import Order, ship
from roundoff.shipping.project import chosen, opened
from roundoff.shipping.triton import TENSORRT, repository
from roundoff.shipping.verify import verify
from roundoff.system.files import sha256_of


@pytest.fixture
def cell(small):
    return chosen(opened(small, "metrics"), None)


def built_by(cell, kind, profiles=None, **config):
    """The cell as another backend would have built it."""
    backend = replace(cell.sidecar.backend, type=kind, config=config)
    return replace(cell, sidecar=replace(cell.sidecar, backend=backend, build_info=BuildInfo(profiles=profiles)))


def tensorrt(cell, profiles):
    return repository(built_by(cell, TENSORRT, profiles, module="tensorrt"))


def test_the_repository_is_as_triton_wants_it(small, tmp_path):
    ship(small, "metrics", Order(tmp_path / "it", layout="triton"))
    shipment = verify(tmp_path / "it")
    folders = [path.name for path in (tmp_path / "it").iterdir() if path.is_dir()]
    assert folders == ["int8_ort"]
    assert shipment.engine == "int8_ort/1/model.onnx"
    assert sha256_of(tmp_path / "it" / shipment.engine) == sha256_of(small / "models/engines/int8/ort/model.onnx")
    assert {name for name in shipment.files if name.startswith("int8_ort/")} == {
        "int8_ort/1/model.onnx",
        "int8_ort/config.pbtxt",
        "int8_ort/labels.txt",
    }
    (tmp_path / "it/int8_ort/1/model.onnx").write_bytes(b"")
    assert main(["verify", str(tmp_path / "it")]) == 2


def test_onnx_runtime_takes_what_was_measured(cell):
    config = parsed(repository(cell).config)
    assert (config.name, config.backend, config.default_model_filename) == ("int8_ort", "onnxruntime", "model.onnx")
    assert config.max_batch_size == 1
    (image,), (logits,) = config.input, config.output
    assert (image.name, list(image.dims), image.data_type) == ("image", [8, 8, 3], data_type("UINT8"))
    assert (logits.name, list(logits.dims), logits.data_type) == ("logits", [4], data_type("FP32"))
    assert logits.label_filename == "labels.txt"
    assert config.instance_group[0].kind == config.instance_group[0].KIND_CPU
    assert config.parameters["intra_op_thread_count"].string_value == "1"


def test_fixed_profiles_take_their_own_batch_sizes_alone(cell):
    config = parsed(tensorrt(cell, [[1, 1, 1], [32, 32, 32]]).config)
    assert (config.backend, config.default_model_filename, config.max_batch_size) == ("tensorrt", "model.plan", 0)
    assert list(config.input[0].dims) == [-1, 8, 8, 3]
    assert list(config.output[0].dims) == [-1, 4]
    assert list(config.instance_group[0].profile) == ["0", "1"]
    assert not config.HasField("dynamic_batching")


def test_a_profile_for_a_range_lets_triton_put_batches_together(cell):
    config = parsed(tensorrt(cell, [[1, 16, 32]]).config)
    assert config.max_batch_size == 32
    assert list(config.input[0].dims) == [8, 8, 3]
    assert list(config.dynamic_batching.preferred_batch_size) == [16]
    assert list(config.instance_group[0].profile) == ["0"]


def test_the_text_itself_for_where_tritonclient_is_not_installed(cell):
    made = tensorrt(cell, [[1, 1, 1], [32, 32, 32]])
    assert made.engine == "int8_ort/1/model.plan"
    assert "max_batch_size: 0\n" in made.config
    assert 'kind: KIND_GPU profile: [ "0", "1" ]' in made.config
    assert "# batch sizes that a request may have: 1, 32" in made.config


@pytest.mark.parametrize(
    ("kind", "config", "why"),
    [
        (TENSORRT, {"module": "tensorrt_rtx"}, "TensorRT-RTX's engines do not load in Triton"),
        ("roundoff.backend.tflite.backend.LiteRT", {}, "Triton has no backend for LiteRT's .tflite files"),
        ("roundoff.backend.torch_compile.backend.TorchCompile", {}, "TorchScript"),
        ("mine.Backend", {}, "a backend that Triton does not have: mine.Backend"),
    ],
)
def test_what_triton_cannot_load_is_refused_in_words(cell, kind, config, why):
    names = {"LiteRT": "litert", "TorchCompile": "torch"}
    other = built_by(cell, kind, **config)
    named = replace(other.sidecar.backend, name=names.get(kind.rpartition(".")[2], "it"))
    with pytest.raises(RoundoffError, match=why):
        repository(replace(other, sidecar=replace(other.sidecar, backend=named)))


def test_nothing_is_written_where_triton_refuses(small, tmp_path):
    status = main(
        ["ship", str(tmp_path / "it"), "--project", str(small), "--layout", "triton", "--cell", "fp32/copying"]
    )
    assert (status, list(tmp_path.iterdir())) == (2, [])


def parsed(text):
    pytest.importorskip("tritonclient.grpc", reason="needs the dependency group triton")
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse(text, model_config_pb2.ModelConfig())


def data_type(name):
    from tritonclient.grpc import model_config_pb2

    return model_config_pb2.DataType.Value(f"TYPE_{name}")

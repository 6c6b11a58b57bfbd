"""What docs/pytorch.md says, where PyTorch is installed: both exporters' files are taken and exported."""

import json

import numpy as np
import pytest

from roundoff.dataset.base import Prepared
from roundoff.export.onnx_from_keras import Export
from roundoff.export.parity import onnx_logits
from roundoff.model.onnx_file import OnnxFile
from roundoff.training.taking import take
from tests.support.present import present

torch = pytest.importorskip("torch")

SHAPE, CLASSES = (16, 20, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), dtype=np.uint8)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
VERSION = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
TORCHSCRIPT = {"dynamo": False} if VERSION >= (2, 5) else {}


def network():
    torch.manual_seed(0)
    layers = torch.nn
    model = layers.Sequential(
        layers.Conv2d(3, 8, 3, padding=1),
        layers.BatchNorm2d(8),
        layers.ReLU(),
        layers.MaxPool2d(2),
        layers.Conv2d(8, 16, 3),
        layers.Hardswish(),
        layers.AdaptiveAvgPool2d(1),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Linear(16, 5),
    )
    return model.eval().float()


def torchscript(path, **options):
    images = torch.randn(1, 3, *SHAPE[:2])
    torch.onnx.export(network(), (images,), str(path), **TORCHSCRIPT, **options)


def dynamo(path):
    pytest.importorskip("onnxscript")
    if VERSION < (2, 6):
        pytest.skip("the exporter of torch.export is not whole before PyTorch 2.6")
    images, batch = torch.randn(2, 3, *SHAPE[:2]), torch.export.Dim("N")
    torch.onnx.export(network(), (images,), str(path), dynamo=True, dynamic_shapes=({0: batch},))


EXPORTS = {
    "torchscript": lambda path: torchscript(
        path,
        opset_version=16,
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={"images": {0: "N"}, "logits": {0: "N"}},
    ),
    "fixed batch": lambda path: torchscript(path, opset_version=13),
    "opset 11": lambda path: torchscript(path, opset_version=11),
    "dynamo": dynamo,
}


def answers():
    """PyTorch's own, without NumPy on its side: one that is older than this NumPy cannot hand arrays over."""
    planes = ((PIXELS / 255 - MEAN) / STD).astype(np.float32).transpose(0, 3, 1, 2)
    with torch.no_grad():
        return np.array(network()(torch.tensor(planes.tolist())).tolist(), np.float32)


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_of_pytorch_becomes_the_graph_of_all_precisions(tmp_path, export):
    EXPORTS[export](tmp_path / "given.onnx")
    directory = tmp_path / "prepared"
    directory.mkdir()
    np.save(directory / "train_images.npy", PIXELS)
    np.save(directory / "train_labels.npy", np.arange(40) % 5)
    manifest = {"classes": CLASSES, "shape": SHAPE, "calibration_indices": list(range(20))}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    source = OnnxFile(str(tmp_path / "given.onnx"), scale="1/255", mean=MEAN, std=STD, check_preprocessing=False)
    take(source, Prepared(directory), np.arange(40), tmp_path)
    facts = Export(18, 20, 1e-4).onnx_from_trained(tmp_path, Prepared(directory), tmp_path / "graph.onnx")
    assert present(facts.opset) >= 18
    assert "BatchNormalization" not in present(facts.nodes)
    np.testing.assert_allclose(onnx_logits(tmp_path / "graph.onnx", PIXELS), answers(), rtol=1e-3, atol=1e-4)

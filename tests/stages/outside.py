"""A model, a dataset, a calibrator, a precision and a backend that the package does not know."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from roundoff.backend.base import Backend, Runner
from roundoff.backend.cpu import HostBinding
from roundoff.calibration.base import Calibrator
from roundoff.dataset.base import Dataset, OpenDataset
from roundoff.model.base import Model, classified, normalised_input
from roundoff.precision.base import Precision
from roundoff.results.build import BuildInfo


@dataclass(frozen=True)
class OneConv(Model):
    filters: int = 4

    def build(self, shape, classes, mean, std):
        import keras

        image, pixels = normalised_input(shape, mean, std)
        features = keras.layers.Conv2D(self.filters, 3, padding="same", activation="relu", name="conv")(pixels)
        return classified(image, features, classes)


@dataclass(frozen=True)
class Stripes(Dataset):
    """Stripes that lie or stand."""

    per_class: int = 160

    def open(self):
        return OpenStripes(self.per_class)


class OpenStripes(OpenDataset):
    classes = ("lying", "standing")
    shape = (8, 8, 3)

    def __init__(self, per_class):
        self.source = {"dataset": "stripes"}
        self.per_class = per_class

    def count(self, split):
        return 2 * self.per_class

    def read(self, split):
        random = np.random.default_rng(split == "test")
        for number in range(self.count(split)):
            image = random.integers(0, 60, self.shape, dtype=np.uint8)
            label = number % 2
            rows = image if label == 0 else image.transpose(1, 0, 2)
            rows[random.integers(2) :: 2] += 190
            yield image, label


@dataclass(frozen=True)
class Shrunk(Calibrator):
    """A share of the largest magnitude that was seen."""

    name: ClassVar[str] = "shrunk"
    share: float = 0.95

    def threshold(self, seen):
        return self.share * max(abs(seen.low), abs(seen.high))


@dataclass(frozen=True)
class Coarse(Precision):
    """FP32 arithmetic over weights of few bits."""

    weights: ClassVar[str] = "float32"
    activations: ClassVar[str] = "float32"
    bits: int = 6

    def convert(self, model, grid, table):
        coarse = onnx.ModelProto()
        coarse.CopyFrom(model)
        for weight in coarse.graph.initializer:
            values = numpy_helper.to_array(weight)
            if values.dtype == np.float32 and values.ndim > 1:
                step = np.abs(values).max() / 2 ** (self.bits - 1)
                weight.CopyFrom(numpy_helper.from_array(np.rint(values / step) * step, weight.name))
        return coarse


@dataclass(frozen=True)
class Reference(Backend):
    """ONNX's own reference evaluator; that it is bound to a library of this name stands for one of its own."""

    artifact: ClassVar[str] = "model.onnx"
    bound_to: ClassVar[tuple[str, ...]] = ("libraries.rich",)

    def refusal(self, precision):
        return None if precision.activations == "float32" else "the reference evaluator is here for float32 alone"

    def build(self, source, directory):
        onnx.save(onnx.load(source.graph), directory / self.artifact)
        return BuildInfo()

    def load(self, directory):
        return ReferenceRunner(ReferenceEvaluator(str(directory / self.artifact)))


class ReferenceRunner(Runner):
    device = "cpu"

    def __init__(self, evaluator):
        self.evaluator = evaluator

    def infer(self, images):
        return self.evaluator.run(None, {"image": np.asarray(images)})[0]

    def bind(self, batches):
        return ReferenceBinding(self, batches)

    def close(self):
        pass


class ReferenceBinding(HostBinding):
    def __init__(self, runner, batches):
        super().__init__(batches)
        self.runner = runner
        self.logits: Any = None

    def lay_in(self, index):
        pass

    def compute(self, index):
        self.logits = self.runner.infer(self.batches[index])

    def answer(self, index):
        return self.logits.copy()

    def round_trip(self, index):
        return self.runner.infer(self.batches[index])

    def poison(self):
        self.logits = None

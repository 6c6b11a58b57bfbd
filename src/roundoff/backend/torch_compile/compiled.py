"""A network on a device, compiled by torch.compile for each batch size that is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch

from roundoff.backend.torch_compile.network import (
    Network,
    kernels_of,
    multiplied_types,
    network_from_onnx,
    tensor_from_numpy,
)


@dataclass(frozen=True)
class Program:
    """A network of one batch size, and what torch.compile made of it: code, which takes the weights of any load."""

    network: Network
    run: Callable[..., torch.Tensor]


# Compiling takes seconds, and an evaluation loads each engine many times: the code is kept, the tensors are not.
_PROGRAMS: dict[tuple[Any, ...], Program] = {}


class Compiled:
    """The graph in `path`, its weights on `device` ("cuda" or "cpu").

    `tf32` lets float32 products be multiplied in TensorFloat-32; `mode` is torch.compile's.
    """

    def __init__(self, path: Path, device: str, tf32: bool, mode: str) -> None:
        self.device, self.tf32, self.mode = device, tf32, mode
        content = path.read_bytes()
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.model = onnx.load_model_from_string(content)
        self.image_shape = tuple(d.dim_value for d in self.model.graph.input[0].type.tensor_type.shape.dim)[1:]
        self.classes = int(self.model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value)
        kernels = kernels_of(self.model)
        self.stored = {
            tensor.name: tensor_from_numpy(onnx.numpy_helper.to_array(tensor), device, tensor.name in kernels)
            for tensor in self.model.graph.initializer
        }
        self._weights: dict[int, list[torch.Tensor]] = {}
        self._settle()

    def _settle(self) -> None:
        """Wait until what was copied has arrived: other streams than the one that copied are to read it."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    @property
    def weight_bytes(self) -> int:
        """Device memory of the weights."""
        return sum(tensor.nbytes for tensor in self.stored.values())

    def program(self, batch: int) -> Program:
        """The code for a batch size, compiled on its first run; Unavailable for an operator that has no version."""
        key = (self.sha256, batch, self.device, self.tf32, self.mode)
        if key not in _PROGRAMS:
            network = network_from_onnx(self.model, batch)
            run = torch.compile(network.module, dynamic=False, fullgraph=True, mode=self.mode)
            _PROGRAMS[key] = Program(network, run)
        return _PROGRAMS[key]

    def weights(self, batch: int) -> list[torch.Tensor]:
        """What the program of a batch size takes beside the images, on the device."""
        if batch not in self._weights:
            network = self.program(batch).network
            computed = {name: tensor_from_numpy(value, self.device) for name, value in network.computed.items()}
            self._weights[batch] = [
                computed[name] if name in computed else self.stored[name] for name in network.weights
            ]
        return self._weights[batch]

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Logits float32 [batch, classes] of images uint8 [batch, H, W, C], both on the device."""
        batch = len(images)
        with multiplying(self.tf32), torch.no_grad():
            return self.program(batch).run(images, *self.weights(batch))

    def types(self) -> dict[str, int]:
        """How many convolutions and matrix products multiply in which type, in a run operator by operator."""
        images = torch.zeros((1, *self.image_shape), dtype=torch.uint8, device=self.device)
        with multiplying(self.tf32), torch.no_grad():
            return multiplied_types(self.program(1).network.module, [images, *self.weights(1)])

    def close(self) -> None:
        """Drop the weights."""
        self.stored.clear()
        self._weights.clear()

    def uncompiled(self, images: torch.Tensor) -> torch.Tensor:
        """The same, operator by operator."""
        batch = len(images)
        with multiplying(self.tf32), torch.no_grad():
            logits: torch.Tensor = self.program(batch).network.module(images, *self.weights(batch))
            return logits


@contextmanager
def multiplying(tf32: bool) -> Iterator[None]:
    """Products of float32 in full, or in TensorFloat-32; PyTorch holds that for the whole process."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32, convolutions.benchmark
    convolutions.allow_tf32 = products.allow_tf32 = tf32
    convolutions.benchmark = True  # cuDNN then times its algorithms on the first run of a shape
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32, convolutions.benchmark = before

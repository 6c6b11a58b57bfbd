"""Operators that work on each element by itself."""

from __future__ import annotations

import operator as python
from functools import reduce
from typing import Any

import torch
from torch.nn import functional

from roundoff.backend.torch_compile.operators.table import TABLE, Operator, operator

# PyTorch's types by ONNX's numbers of element types
DTYPES = {
    **{1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64},
    **{9: torch.bool, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16},
}
OF_ONE = {
    **{"Abs": torch.abs, "Atan": torch.atan, "Ceil": torch.ceil, "Cos": torch.cos, "Erf": torch.erf, "Exp": torch.exp},
    **{"Floor": torch.floor, "HardSwish": functional.hardswish, "Log": torch.log, "Mish": functional.mish},
    **{"Neg": torch.neg, "Not": torch.logical_not, "Reciprocal": torch.reciprocal, "Relu": torch.relu},
    **{"Round": torch.round, "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin},
    **{"Softsign": functional.softsign, "Sqrt": torch.sqrt, "Tanh": torch.tanh},
}
# Python's own take a number on either side.
OF_TWO = {
    **{"Add": python.add, "Mul": python.mul, "Sub": python.sub, "Equal": python.eq, "Greater": python.gt},
    **{"GreaterOrEqual": python.ge, "Less": python.lt, "LessOrEqual": python.le},
}
TABLE.update({name: Operator(run) for name, run in OF_ONE.items()})
TABLE.update({name: Operator(run, numbers=True) for name, run in OF_TWO.items()})
TABLE.update(And=Operator(torch.logical_and), Or=Operator(torch.logical_or), Xor=Operator(torch.logical_xor))


@operator("Div", numbers=True)
def div(x: Any, y: Any) -> Any:
    """Integers are divided towards 0."""
    example = x if isinstance(x, torch.Tensor) else y
    return x / y if example.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


@operator("Pow", numbers=True)
def power(x: Any, y: Any) -> Any:
    """In the type of the base."""
    return (x**y).to(x.dtype) if isinstance(x, torch.Tensor) else x**y


@operator("Mod", numbers=True)
def mod(x: Any, y: Any, fmod: int = 0) -> Any:
    """With the sign of the divisor, or (`fmod`) of the dividend."""
    return torch.fmod(x, y) if fmod else torch.remainder(x, y)


@operator("Max")
def maximum(*inputs: Any) -> Any:
    """The largest of several tensors, element by element."""
    return reduce(torch.maximum, inputs)


@operator("Min")
def minimum(*inputs: Any) -> Any:
    """The smallest of several tensors, element by element."""
    return reduce(torch.minimum, inputs)


@operator("Sum")
def total(*inputs: Any) -> Any:
    """The sum of several tensors."""
    return reduce(torch.add, inputs)


@operator("Mean")
def mean_of(*inputs: Any) -> Any:
    """The mean of several tensors."""
    return reduce(torch.add, inputs) / len(inputs)


@operator("Identity", "Dropout")
def identity(x: Any, *_: Any, **__: Any) -> Any:
    """Dropout does nothing in inference."""
    return x


@operator("Cast")
def cast(x: Any, to: int, **_: Any) -> Any:
    """To the element type of that number."""
    return x.to(DTYPES[to])


@operator("Where")
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y."""
    return torch.where(condition, x, y)


@operator("Clip", numbers=True)
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Between limits, either of which may be missing."""
    return x if low is None and high is None else torch.clamp(x, low, high)


@operator("LeakyRelu")
def leaky_relu(x: Any, alpha: float = 0.01) -> Any:
    """Values below 0 times `alpha`."""
    return functional.leaky_relu(x, alpha)


@operator("PRelu")
def prelu(x: Any, slope: Any) -> Any:
    """Values below 0 times `slope`, which stretches over x."""
    return torch.where(x < 0, x * slope, x)


@operator("Elu")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Exponential linear unit."""
    return functional.elu(x, alpha)


@operator("Celu")
def celu(x: Any, alpha: float = 1.0) -> Any:
    """Continuously differentiable exponential linear unit."""
    return functional.celu(x, alpha)


@operator("Selu")
def selu(x: Any, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Any:
    """Scaled exponential linear unit."""
    return gamma * torch.where(x > 0, x, alpha * (torch.exp(x) - 1))


@operator("ThresholdedRelu")
def thresholded_relu(x: Any, alpha: float = 1.0) -> Any:
    """0 up to `alpha`."""
    return torch.where(x > alpha, x, torch.zeros_like(x))


@operator("Softplus")
def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return functional.softplus(x)


@operator("HardSigmoid")
def hard_sigmoid(x: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """A line, cut off at 0 and 1."""
    return torch.clamp(alpha * x + beta, 0, 1)


@operator("Gelu")
def gelu(x: Any, approximate: str = "none") -> Any:
    """Gaussian error linear unit, by erf or by tanh."""
    return functional.gelu(x, approximate=approximate)


@operator("Swish")
def swish(x: Any, alpha: float = 1.0) -> Any:
    """x · sigmoid(alpha · x)."""
    return x * torch.sigmoid(alpha * x)

"""A graph for each operator that has a PyTorch version, in ONNX's own text, and the constants that they name.

Each makes y of x, float32 [N, 6, 8, 8].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

RANDOM = np.random.default_rng(0)
SHAPE = (8, 8, 6)  # of an image: height, width, channels

OF_ONE = [
    "Abs",
    "Atan",
    "Ceil",
    "Cos",
    "Erf",
    "Exp",
    "Floor",
    "HardSwish",
    "Identity",
    "Mish",
    "Neg",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Tanh",
]
TEXTS = {
    **{name: f"y = {name}(x)" for name in OF_ONE},
    "Sqrt": "a = Abs(x) y = Sqrt(a)",
    "Log": "a = Exp(x) b = Log(a) c = Reciprocal(a) y = Add(b, c)",
    "LeakyRelu": "y = LeakyRelu<alpha=0.3>(x)",
    "Elu": "a = Elu<alpha=0.7>(x) y = Celu<alpha=0.7>(a)",
    "Selu": "y = Selu(x)",
    "ThresholdedRelu": "y = ThresholdedRelu<alpha=0.5>(x)",
    "HardSigmoid": "y = HardSigmoid<alpha=0.3, beta=0.4>(x)",
    "Gelu": 'a = Gelu(x) y = Gelu<approximate="tanh">(a)',
    "PRelu": "y = PRelu(x, slope)",
    "Clip": 'a = Clip(x, low) y = Clip(a, "", high)',
    "a number first": "a = Pow(x, two) b = Sub(two, a) c = Div(two, b) d = Pow(two, x) y = Add(c, d)",
    "Max": "a = Max(x, low) b = Min(a, high) c = Sum(a, b, x) y = Mean(a, c)",
    "Where": "g = Greater(x, low) l = LessOrEqual(x, high) b = And(g, l) c = Not(b) d = Or(c, g) y = Where(d, x, low)",
    "Xor": "g = GreaterOrEqual(x, low) l = Less(x, high) e = Equal(x, two) a = Xor(g, l) y = Xor(a, e)",
    "Dropout": "a = Dropout(x) y = Mul(a, two)",
    "integers": "i = Cast<to=7>(x) j = Div(i, three) y = Mod(j, three)",
    "Conv": "y = Conv<pads=[1,1,1,1], strides=[2,2]>(x, kernel, bias)",
    "Conv, uneven": "y = Conv<pads=[0,1,2,1], dilations=[1,2]>(x, kernel)",
    "Conv, same": 'y = Conv<auto_pad="SAME_UPPER", strides=[3,2]>(x, kernel)',
    "Conv, same, lower": 'y = Conv<auto_pad="SAME_LOWER", strides=[2,3]>(x, kernel)',
    "Conv, grouped": 'y = Conv<group=3, auto_pad="VALID">(x, grouped)',
    "ConvTranspose": "y = ConvTranspose<strides=[2,2], pads=[1,0,0,1]>(x, back)",
    "ConvTranspose, same": 'y = ConvTranspose<strides=[2,2], auto_pad="SAME_UPPER">(x, back)',
    "MaxPool": "a = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[0,0,1,1]>(x)"
    " y = MaxPool<kernel_shape=[2,2], pads=[1,1,1,1], ceil_mode=1>(a)",
    "MaxPool, same": 'y = MaxPool<kernel_shape=[3,3], strides=[2,2], auto_pad="SAME_UPPER">(x)',
    "AveragePool": "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x)",
    "AveragePool, uneven": "y = AveragePool<kernel_shape=[2,2], pads=[0,0,1,1], strides=[2,2]>(x)",
    "AveragePool, padding counts": "y = AveragePool<kernel_shape=[3,3], pads=[0,1,2,1], count_include_pad=1>(x)",
    "global pools": "a = GlobalAveragePool(x) b = GlobalMaxPool(x) y = Add(a, b)",
    "Gemm": "a = Flatten(x) b = Gemm<transB=1>(a, matrix, row) y = Gemm<alpha=0.5, beta=2.0>(b, small, corner)",
    "MatMul": "a = MatMul(x, eights) b = Transpose<perm=[0,1,3,2]>(a) c = MatMul(a, b) y = Softmax(c)",
    "Einsum": 'y = Einsum<equation="nchw,wv->ncvh">(x, eights)',
    "LogSoftmax": "y = LogSoftmax<axis=1>(x)",
    "BatchNormalization": "y = BatchNormalization<epsilon=0.01>(x, six, six, six, positive)",
    "LayerNormalization": "a = LayerNormalization<axis=3>(x, eight, eight)"
    " y = LayerNormalization<axis=2, epsilon=0.1>(a, eights)",
    "InstanceNormalization": "y = InstanceNormalization(x, six, positive)",
    "LRN": "y = LRN<size=3, alpha=0.1>(x)",
    "ReduceMean": "a = ReduceMean(x, axes) b = ReduceSum(x, axes) y = Add(a, b)",
    "ReduceMax": "a = ReduceMax(x, axes) b = ReduceMin(x, axes) y = Sub(a, b)",
    "ReduceL2": "a = ReduceL2(x, axes) b = ReduceSumSquare(x, axes) y = Add(a, b)",
    "ArgMax": "y = ArgMax<axis=1, keepdims=0>(x)",
    "Reshape": "y = Reshape(x, shape)",
    "Squeeze": "a = Unsqueeze(x, places) b = Squeeze(a, places) y = Tile(b, twice)",
    "Split": "a, b = Split<axis=1>(x, sizes) c, d = Split<axis=1, num_outputs=2>(b) y = Concat<axis=1>(d, a, c)",
    "Slice": "y = Slice(x, from, until, of, step)",
    "Gather": "a = Gather<axis=3>(x, picks) y = Gather<axis=1>(a, last)",
    "GatherElements": "y = GatherElements<axis=3>(x, elements)",
    "Expand": "a = GlobalMaxPool(x) y = Expand(a, wide)",
    "Pad": 'a = Pad(x, margins, two) b = Pad<mode="reflect">(a, margins) y = Pad<mode="edge">(b, sides, "", of)',
    "depth and space": "a = SpaceToDepth<blocksize=2>(x) b = DepthToSpace<blocksize=2>(a)"
    ' c = SpaceToDepth<blocksize=2>(b) y = DepthToSpace<blocksize=2, mode="CRD">(c)',
    "Resize, lines": 'a = Resize<mode="linear">(x, "", larger)'
    ' y = Resize<mode="linear", coordinate_transformation_mode="align_corners">(a, "", "", size)',
    "Resize, nearest": 'a = Resize<coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, "", larger)'
    ' y = Resize(a, "", "", size)',
    "a shape of its own": "s = Shape(x) n = Gather(s, zeroth) t = Concat<axis=0>(n, minus) y = Reshape(x, t)",
}


def _floats(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype(np.float32)


CONSTANTS: dict[str, Any] = {
    **{"slope": _floats(6, 1, 1), "low": np.float32(-0.6), "high": np.float32(0.8), "two": np.float32(2)},
    **{"three": np.int64(3), "kernel": _floats(4, 6, 3, 3), "bias": _floats(4), "square": _floats(2, 4, 2, 2)},
    **{"grouped": _floats(9, 2, 3, 3), "back": _floats(6, 4, 3, 3), "matrix": _floats(5, 384), "row": _floats(5)},
    **{"small": _floats(5, 4), "corner": _floats(1, 4), "eights": _floats(8, 8), "six": _floats(6)},
    **{"positive": np.abs(_floats(6)) + 0.1, "eight": _floats(8), "axes": [2, 3], "shape": [0, 3, -1]},
    **{"places": [1, -1], "twice": [1, 2, 1, 1], "sizes": [2, 4], "from": [1, 7], "until": [-1, -100], "of": [2, 3]},
    **{"step": [2, -3], "picks": [[0, -1], [3, 2]], "last": np.int64(-1), "wide": [1, 6, 4, 5], "zeroth": [0]},
    **{"elements": RANDOM.integers(-8, 8, (3, 6, 8, 5)), "margins": [0, 0, 1, 2, 0, 0, 2, 0], "sides": [0, 1, 2, 0]},
    **{"larger": np.array([1, 1, 2, 1.5], np.float32), "size": [3, 6, 5, 20], "minus": [-1]},
}


def images(count: int = 3) -> np.ndarray:
    """Random images uint8 [count, *SHAPE]."""
    return RANDOM.integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def graph_of(text: str, opset: int = 20) -> onnx.ModelProto:
    """image → x, in about -2 to 2 → `text` → y → logits; nodes are named OPERATOR_NUMBER, those of `text` from 4 on."""
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["": {opset}]> net (uint8[N,8,8,6] image) => (float[N,M] logits) {{'
        "x0 = Cast<to=1>(image) x1 = Div(x0, sixty) x2 = Sub(x1, twos) x = Transpose<perm=[0,3,1,2]>(x2)"
        f"{text} y0 = Cast<to=1>(y) logits = Flatten(y0) }}"
    )
    used = {name for node in model.graph.node for name in node.input}
    known = CONSTANTS | {"sixty": np.float32(64), "twos": np.array([2], np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(known[k]), k) for k in known if k in used)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model

"""Small members of the usual families of classifiers, in Keras 3 alone: 60 to 200 thousand parameters each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from benchmarks.zoo.trained import CLASSES, Recipe

Layer = Any
"""A symbolic tensor of Keras."""


def network(name: str, recipe: Recipe) -> keras.Model:
    """An untrained member: `image` [N, size, size, 3] in 0..255 → `logits` float32 [N, 10]."""
    image = keras.Input((recipe.size, recipe.size, 3), dtype=recipe.dtype, name="image")
    x = FAMILIES[name](layers.Rescaling(1 / 127.5, -1.0, name="normalise")(image))
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name=name)


def _conv(x: Layer, channels: int, kernel: int = 3, strides: int = 1, **options: Any) -> Layer:
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal", **options}
    return layers.Conv2D(channels, kernel, strides, **options)(x)


def _norm(x: Layer, activation: str | None = None) -> Layer:
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation(activation)(x) if activation else x


def _conv_norm(x: Layer, channels: int, kernel: int = 3, strides: int = 1, activation: str | None = "relu") -> Layer:
    return _norm(_conv(x, channels, kernel, strides), activation)


def _depthwise(x: Layer, kernel: int, strides: int, activation: str | None) -> Layer:
    options = {"padding": "same", "use_bias": False, "depthwise_initializer": "he_normal"}
    return _norm(layers.DepthwiseConv2D(kernel, strides, **options)(x), activation)


def _excited(x: Layer, squeezed: int, inner: str, outer: str) -> Layer:
    """Squeeze and excite (Hu et al., arXiv:1709.01507)."""
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(squeezed, 1, activation=inner)(gate)
    return layers.Multiply()([x, layers.Conv2D(x.shape[-1], 1, activation=outer)(gate)])


def resnet_v1(x: Layer) -> Layer:
    """Convolution, batch norm and ReLU; the ReLU of a block stands behind its sum (arXiv:1512.03385)."""
    x = _conv_norm(x, 16)
    for channels, strides in ((16, 1), (32, 2), (32, 1), (64, 2)):
        y = _conv_norm(_conv_norm(x, channels, 3, strides), channels, activation=None)
        if strides > 1:
            x = _conv_norm(x, channels, 1, strides, None)
        x = layers.ReLU()(layers.Add()([x, y]))
    return x


def resnet_v2(x: Layer) -> Layer:
    """Batch norm and ReLU in front of the convolution (arXiv:1603.05027)."""
    x = _conv(x, 16)
    for channels, strides in ((16, 1), (32, 2), (32, 1), (64, 2)):
        y = _norm(x, "relu")
        if strides > 1:
            x = _conv(y, channels, 1, strides)
        y = _conv(_norm(_conv(y, channels, 3, strides), "relu"), channels)
        x = layers.Add()([x, y])
    return _norm(x, "relu")


def conv_relu_bn(x: Layer) -> Layer:
    """Batch norm behind ReLU, where it cannot be folded into the convolution in front."""
    for channels, strides in ((24, 1), (24, 1), (32, 2), (48, 1), (64, 2), (64, 1)):
        x = _norm(_conv(x, channels, 3, strides, activation="relu", use_bias=True))
    return x


def conv_swish(x: Layer) -> Layer:
    """Four convolutions, each with batch norm and swish."""
    for channels, strides in ((24, 1), (32, 2), (64, 2), (96, 1)):
        x = _conv_norm(x, channels, 3, strides, "swish")
    return x


def conv_flatten(x: Layer) -> Layer:
    """LeNet's way: convolution, pooling, all positions into a dense layer; no batch norm."""
    for channels in (24, 48, 48):
        x = _conv(x, channels, use_bias=True, activation="relu")
        x = layers.MaxPooling2D()(x)
    return layers.Dense(96, activation="relu")(layers.Flatten()(x))


def resnext(x: Layer) -> Layer:
    """Grouped convolutions in bottlenecks (arXiv:1611.05431)."""
    x = _conv_norm(x, 32)
    for channels, strides in ((32, 1), (64, 2), (64, 1), (128, 2)):
        y = _conv_norm(x, channels, 1)
        y = _norm(_conv(y, channels, 3, strides, groups=8), "relu")
        y = _conv_norm(y, channels, 1, activation=None)
        if x.shape[-1] != channels or strides > 1:
            x = _conv_norm(x, channels, 1, strides, None)
        x = layers.ReLU()(layers.Add()([x, y]))
    return x


def xception(x: Layer) -> Layer:
    """Separable convolutions with pooled shortcuts (arXiv:1610.02357)."""
    x = _conv_norm(x, 24, 3, 2)
    for channels in (48, 96, 128):
        y = x
        for _ in range(2):
            options = {"padding": "same", "use_bias": False}
            y = _norm(layers.SeparableConv2D(channels, 3, **options)(layers.ReLU()(y)))
        y = layers.MaxPooling2D(3, 2, "same")(y)
        x = layers.Add()([_conv_norm(x, channels, 1, 2, None), y])
    return layers.ReLU()(x)


def mobilenet_v2(x: Layer) -> Layer:
    """Inverted residuals with linear bottlenecks and ReLU6 (arXiv:1801.04381)."""
    x = _conv_norm(x, 16, 3, 2, "relu6")
    for channels, strides in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (48, 2), (48, 1)):
        y = _conv_norm(x, 4 * x.shape[-1], 1, 1, "relu6")
        y = _conv_norm(_depthwise(y, 3, strides, "relu6"), channels, 1, activation=None)
        x = layers.Add()([x, y]) if strides == 1 and x.shape[-1] == channels else y
    return _conv_norm(x, 192, 1, 1, "relu6")


def mobilenet_v3(x: Layer) -> Layer:
    """With hard swish, and squeeze and excite by hard sigmoid (arXiv:1905.02244)."""
    x = _conv_norm(x, 16, 3, 2, "hard_silu")
    for kernel, channels, strides, excited, activation in (
        (3, 16, 2, True, "relu"),
        (3, 24, 1, False, "relu"),
        (3, 24, 1, False, "relu"),
        (5, 32, 2, True, "hard_silu"),
        (5, 32, 1, True, "hard_silu"),
        (5, 48, 2, True, "hard_silu"),
        (5, 48, 1, True, "hard_silu"),
    ):
        y = _conv_norm(x, 3 * x.shape[-1], 1, 1, activation)
        y = _depthwise(y, kernel, strides, activation)
        y = _excited(y, y.shape[-1] // 4, "relu", "hard_sigmoid") if excited else y
        y = _conv_norm(y, channels, 1, activation=None)
        x = layers.Add()([x, y]) if strides == 1 and x.shape[-1] == channels else y
    return _conv_norm(x, 192, 1, 1, "hard_silu")


def efficientnet(x: Layer) -> Layer:
    """MBConv: swish, and squeeze and excite by sigmoid (arXiv:1905.11946)."""
    x = _conv_norm(x, 16, 3, 2, "swish")
    for kernel, channels, strides in ((3, 16, 2), (3, 24, 1), (3, 24, 1), (5, 40, 2), (5, 40, 1), (3, 56, 2)):
        y = _conv_norm(x, 4 * x.shape[-1], 1, 1, "swish")
        y = _excited(_depthwise(y, kernel, strides, "swish"), x.shape[-1] // 4, "swish", "sigmoid")
        y = _conv_norm(y, channels, 1, activation=None)
        x = layers.Add()([x, y]) if strides == 1 and x.shape[-1] == channels else y
    return _conv_norm(x, 192, 1, 1, "swish")


def densenet(x: Layer) -> Layer:
    """Every layer sees all before it, by Concat; batch norm and ReLU in front (arXiv:1608.06993)."""
    x = _conv(x, 24)
    for block in range(3):
        for _ in range(4):
            y = _conv(_norm(x, "relu"), 48, 1)
            x = layers.Concatenate()([x, _conv(_norm(y, "relu"), 12)])
        if block < 2:
            x = layers.AveragePooling2D(2)(_conv(_norm(x, "relu"), x.shape[-1] // 2, 1))
    return _norm(x, "relu")


def inception(x: Layer) -> Layer:
    """Branches of different kernels, joined by Concat (arXiv:1409.4842)."""
    x = layers.MaxPooling2D(3, 2, "same")(_conv_norm(x, 24, 5, 2))
    for width, strides in ((12, 1), (16, 2), (20, 1), (24, 2)):
        pooled = layers.MaxPooling2D(3, strides, "same")(x)
        branches = [
            _conv_norm(x, width, 1, strides),
            _conv_norm(_conv_norm(x, width, 1), 2 * width, 3, strides),
            _conv_norm(_conv_norm(_conv_norm(x, width // 2, 1), width), width, 3, strides),
            _conv_norm(pooled, width, 1),
        ]
        x = layers.Concatenate()(branches)
    return x


def convnext(x: Layer) -> Layer:
    """Depthwise 7 × 7, layer norm and GELU (arXiv:2201.03545)."""
    x = layers.LayerNormalization(epsilon=1e-6)(_conv(x, 32, 4, 4, use_bias=True))
    for channels in (32, 32, 64, 64):
        if x.shape[-1] != channels:
            x = _conv(layers.LayerNormalization(epsilon=1e-6)(x), channels, 2, 2, use_bias=True)
        y = layers.DepthwiseConv2D(7, padding="same")(x)
        y = layers.Dense(4 * channels, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(y))
        x = layers.Add()([x, layers.Dense(channels)(y)])
    return layers.LayerNormalization(epsilon=1e-6)(layers.GlobalAveragePooling2D()(x))


def _patches(x: Layer, size: int, width: int) -> Layer:
    """[N, tokens, width]; the bias of each token is its position."""
    x = _conv(x, width, size, size, use_bias=True)
    tokens = layers.Reshape((x.shape[1] * x.shape[2], width))(x)
    return layers.EinsumDense("abc,cd->abd", (tokens.shape[1], width), bias_axes="bd", name="positions")(tokens)


def _dense_block(x: Layer, inner: int) -> Layer:
    y = layers.Dense(inner, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
    return layers.Add()([x, layers.Dense(x.shape[-1])(y)])


def vit(x: Layer) -> Layer:
    """Patches of 4 × 4 as tokens, attention, their mean (arXiv:2010.11929)."""
    return transformer(x, patch=4, width=64, heads=4, depth=4, inner=128)


def transformer(x: Layer, *, patch: int, width: int, heads: int, depth: int, inner: int) -> Layer:
    """A ViT of `depth` blocks whose tokens are patches of `patch` × `patch` pixels: the mean of its tokens."""
    x = _patches(x, patch, width)
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y)])
        x = _dense_block(x, inner)
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))


def mlp_mixer(x: Layer) -> Layer:
    """Dense layers over tokens and over channels in turns (arXiv:2105.01601)."""
    x = _patches(x, 8, 64)
    for _ in range(4):
        y = layers.Permute((2, 1))(layers.LayerNormalization(epsilon=1e-6)(x))
        y = layers.Dense(y.shape[-1])(layers.Dense(64, activation="gelu")(y))
        x = _dense_block(layers.Add()([x, layers.Permute((2, 1))(y)]), 192)
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))


def gru(x: Layer) -> Layer:
    """The image's rows as a sequence through two recurrent layers."""
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    return layers.GRU(112)(layers.GRU(112, return_sequences=True)(x))


FAMILIES: dict[str, Callable[[Layer], Layer]] = {
    each.__name__: each
    for each in (
        resnet_v1,
        resnet_v2,
        conv_relu_bn,
        conv_swish,
        conv_flatten,
        resnext,
        xception,
        mobilenet_v2,
        mobilenet_v3,
        efficientnet,
        densenet,
        inception,
        convnext,
        vit,
        mlp_mixer,
        gru,
    )
}

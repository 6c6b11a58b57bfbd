"""What the export is tried on: every architecture of keras.applications, and small networks around layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CLASSES = 10
# Of keras.applications, smallest first; a constant, so that who measures need not load TensorFlow.
APPLICATIONS = (
    "MobileNetV3Small",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNet",
    "EfficientNetB0",
    "NASNetMobile",
    "EfficientNetV2B0",
    "EfficientNetB1",
    "EfficientNetV2B1",
    "DenseNet121",
    "EfficientNetB2",
    "EfficientNetV2B2",
    "EfficientNetB3",
    "EfficientNetV2B3",
    "DenseNet169",
    "EfficientNetB4",
    "DenseNet201",
    "EfficientNetV2S",
    "Xception",
    "InceptionV3",
    "ResNet50V2",
    "ResNet50",
)
# More than 100 MB of float32 weights: not tried.
TOO_LARGE = (
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "InceptionResNetV2",
    "NASNetLarge",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "VGG16",
    "VGG19",
)
# The smallest image that an architecture takes; 32 where it says nothing else.
SMALLEST = {
    "InceptionV3": 75,
    "NASNetMobile": 224,
    "Xception": 71,
}


def application(name: str) -> Any:
    """An untrained architecture of keras.applications behind uint8 pixels, at the smallest size that it takes."""
    import keras

    shape = (SMALLEST.get(name, 32),) * 2 + (3,)
    network = getattr(keras.applications, name)(
        weights=None, input_shape=shape, classes=CLASSES, classifier_activation=None
    )
    image = keras.Input(shape, dtype="uint8", name="image")
    return keras.Model(image, network(keras.layers.Rescaling(1 / 127.5, -1.0)(image)), name="classifier")


def layer_net(name: str) -> Any:
    """A small classifier around what LAYERS names."""
    import keras

    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(image)
    x = LAYERS[name](keras, x)
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES)(x), name="classifier")


def _conv(keras: Any, x: Any, channels: int = 16, **options: Any) -> Any:
    return keras.layers.Conv2D(channels, 3, padding="same", activation="relu", **options)(x)


def _tokens(keras: Any, x: Any) -> Any:
    return keras.layers.Reshape((64, 16))(keras.layers.Conv2D(16, 4, strides=4)(x))


def _rows(keras: Any, x: Any) -> Any:
    return keras.layers.Reshape((32, 96))(x)


def _attention(keras: Any, x: Any) -> Any:
    x = _tokens(keras, x)
    x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 8)(keras.layers.LayerNormalization()(x), x)])
    return keras.layers.GlobalAveragePooling1D()(x)


def _grouped_query(keras: Any, x: Any) -> Any:
    x = _tokens(keras, x)
    return keras.layers.GlobalAveragePooling1D()(keras.layers.GroupQueryAttention(8, 4, 2)(x, x))


def _dot_attention(keras: Any, x: Any) -> Any:
    x = _tokens(keras, x)
    return keras.layers.Flatten()(keras.layers.Attention(use_scale=True)([x, x]))


def _additive_attention(keras: Any, x: Any) -> Any:
    x = _tokens(keras, x)
    return keras.layers.Flatten()(keras.layers.AdditiveAttention()([x, x]))


def _reshapes(keras: Any, x: Any) -> Any:
    x = keras.layers.Reshape((1024, 16))(_conv(keras, x))
    return _conv(keras, keras.layers.Reshape((32, 32, 16))(keras.layers.Softmax(axis=1)(x)))


def _squeeze_excite(keras: Any, x: Any) -> Any:
    x = _conv(keras, x)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = keras.layers.Conv2D(16, 1, activation="sigmoid")(keras.layers.Conv2D(4, 1, activation="swish")(gate))
    return keras.layers.Multiply()([x, gate])


def _branches(keras: Any, x: Any) -> Any:
    parts = [_conv(keras, x, 8, name="left"), keras.layers.MaxPooling2D(3, 1, "same")(_conv(keras, x, 8, name="right"))]
    x = keras.layers.Concatenate()(parts)
    return keras.layers.Maximum()([x, keras.layers.Average()([x, keras.layers.AveragePooling2D(2, 1, "same")(x)])])


def _nested(keras: Any, x: Any) -> Any:
    inner = keras.Sequential([keras.layers.Conv2D(16, 3, name="conv"), keras.layers.BatchNormalization(name="norm")])
    outer = keras.Sequential([keras.layers.Conv2D(8, 3, name="conv"), inner], name="trunk")
    return outer(x)


def _operations(keras: Any, x: Any) -> Any:
    x = _conv(keras, x)
    x = keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]) * 2.0 + 0.5
    return keras.ops.clip(keras.ops.mean(keras.ops.square(x), axis=(1, 2)), 0.0, 6.0)


def _shuffle(keras: Any, x: Any) -> Any:
    x = keras.layers.Reshape((32, 32, 4, 4))(_conv(keras, x))
    return keras.layers.Reshape((32, 32, 16))(keras.layers.Permute((1, 2, 4, 3))(x))


def _convnext_block(keras: Any, x: Any) -> Any:
    x = keras.layers.Conv2D(16, 4, strides=4)(x)
    y = keras.layers.LayerNormalization(epsilon=1e-6)(keras.layers.DepthwiseConv2D(7, padding="same")(x))
    return keras.layers.Add()([x, keras.layers.Dense(16)(keras.layers.Dense(64, activation="gelu")(y))])


def _activations(keras: Any, x: Any) -> Any:
    for kind in (
        "elu",
        "selu",
        "softplus",
        "softsign",
        "swish",
        "mish",
        "hard_sigmoid",
        "hard_swish",
        "leaky_relu",
        "tanh",
    ):
        x = keras.layers.Activation(kind)(keras.layers.Conv2D(8, 3, padding="same")(x))
    return x


def _after(*layers: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A convolution, the layers, and one more convolution."""

    def build(keras: Any, x: Any) -> Any:
        x = _conv(keras, x)
        for layer in layers:
            x = layer(keras.layers)(x)
        return _conv(keras, x)

    return build


def _sequence(layer: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda keras, x: layer(keras.layers)(_rows(keras, x))


LAYERS: dict[str, Callable[[Any, Any], Any]] = {
    "batch normalization": _after(lambda layers: layers.BatchNormalization()),
    "normalization": lambda keras, x: _conv(
        keras, keras.layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.9, 1.1, 1.3])(x)
    ),
    "GELU, exact": _after(lambda layers: layers.Activation("gelu")),
    "GELU, by tanh": lambda keras, x: _conv(keras, keras.ops.gelu(_conv(keras, x), approximate=True)),
    "grouped convolution": lambda keras, x: _conv(keras, _conv(keras, x), groups=4),
    "grouped convolution, strided": lambda keras, x: keras.layers.Conv2D(16, 3, 2, groups=8)(_conv(keras, x)),
    "reshape to several sizes": _reshapes,
    "channel shuffle": _shuffle,
    "group normalization": _after(lambda layers: layers.GroupNormalization(4)),
    "layer normalization": _after(lambda layers: layers.LayerNormalization()),
    "layer normalization, all axes": _after(lambda layers: layers.LayerNormalization(axis=[1, 2, 3])),
    "RMS normalization": _after(lambda layers: layers.RMSNormalization()),
    "unit normalization": _after(lambda layers: layers.UnitNormalization()),
    "spectral normalization": lambda keras, x: keras.layers.SpectralNormalization(keras.layers.Conv2D(16, 3))(x),
    "attention": _dot_attention,
    "additive attention": _additive_attention,
    "multi-head attention": _attention,
    "group query attention": _grouped_query,
    "simple RNN": _sequence(lambda layers: layers.SimpleRNN(16)),
    "GRU": _sequence(lambda layers: layers.GRU(16)),
    "GRU, reset before": _sequence(lambda layers: layers.GRU(16, reset_after=False)),
    "LSTM": _sequence(lambda layers: layers.LSTM(16)),
    "LSTM, stacked": _sequence(lambda layers: lambda x: layers.LSTM(8)(layers.LSTM(16, return_sequences=True)(x))),
    "LSTM, both ways": _sequence(lambda layers: layers.Bidirectional(layers.LSTM(16))),
    "GRU, both ways, sequences": _sequence(
        lambda layers: lambda x: layers.Flatten()(layers.Bidirectional(layers.GRU(4, return_sequences=True))(x))
    ),
    "convolutional LSTM": lambda keras, x: keras.layers.ConvLSTM2D(8, 3)(keras.layers.Reshape((4, 8, 32, 3))(x)),
    "time distributed": _sequence(
        lambda layers: lambda x: layers.Flatten()(layers.TimeDistributed(layers.Dense(4, activation="relu"))(x))
    ),
    "resizing, bilinear": _after(lambda layers: layers.Resizing(24, 20)),
    "resizing, nearest": _after(lambda layers: layers.Resizing(48, 48, interpolation="nearest")),
    "resizing, bicubic": _after(lambda layers: layers.Resizing(40, 40, interpolation="bicubic")),
    "transposed convolution": _after(lambda layers: layers.Conv2DTranspose(8, 3, strides=2, padding="same")),
    "transposed convolution, valid": _after(lambda layers: layers.Conv2DTranspose(8, 4, strides=2)),
    "upsampling, nearest": _after(lambda layers: layers.UpSampling2D()),
    "upsampling, bilinear": _after(lambda layers: layers.UpSampling2D(interpolation="bilinear")),
    "upsampling, bicubic": _after(lambda layers: layers.UpSampling2D(interpolation="bicubic")),
    "PReLU": _after(lambda layers: layers.PReLU()),
    "PReLU, shared axes": _after(lambda layers: layers.PReLU(shared_axes=[1, 2])),
    "leaky ReLU": _after(lambda layers: layers.LeakyReLU(0.2)),
    "activations": _activations,
    "einsum dense": _after(lambda layers: layers.EinsumDense("abcd,de->abce", (None, None, 8), bias_axes="e")),
    "depthwise convolution": _after(lambda layers: layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "depthwise convolution, dilated": _after(lambda layers: layers.DepthwiseConv2D(3, dilation_rate=2)),
    "separable convolution": _after(lambda layers: layers.SeparableConv2D(16, 3, strides=2)),
    "dilated convolution": lambda keras, x: _conv(keras, _conv(keras, x), dilation_rate=2),
    "convolution over rows": _sequence(
        lambda layers: lambda x: layers.GlobalMaxPooling1D()(layers.Conv1D(16, 3, padding="causal")(x))
    ),
    "locally padded": _after(
        lambda layers: layers.ZeroPadding2D(((1, 2), (0, 1))), lambda layers: layers.Cropping2D(1)
    ),
    "squeeze and excite": _squeeze_excite,
    "branches": _branches,
    "nested models with equal layer names": _nested,
    "operations of keras.ops": _operations,
    "ConvNeXt block": _convnext_block,
    "dropout and noise": _after(lambda layers: layers.SpatialDropout2D(0.5), lambda layers: layers.GaussianNoise(0.1)),
    "random augmentation": _after(lambda layers: layers.RandomFlip(), lambda layers: layers.RandomRotation(0.1)),
    "global max pooling": lambda keras, x: keras.layers.GlobalMaxPooling2D()(_conv(keras, x)),
    "softmax head": lambda keras, x: keras.layers.Dense(16, activation="softmax")(keras.layers.Flatten()(x)),
    "sigmoid head": lambda keras, x: keras.layers.Dense(16, activation="sigmoid")(keras.layers.Flatten()(x)),
    "embedding of pixels": lambda keras, x: keras.layers.GlobalAveragePooling2D()(
        keras.layers.Reshape((32, 32, 12))(keras.layers.Embedding(3, 4)(keras.ops.cast(x + 1.0, "int32")))
    ),
    "max pooling, adaptive": _after(lambda layers: layers.AdaptiveAveragePooling2D(4)),
    "discretization": lambda keras, x: _conv(
        keras, keras.ops.cast(keras.layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.5])(x), "float32")
    ),
    "category encoding": lambda keras, x: keras.ops.cast(
        keras.ops.top_k(keras.layers.Flatten()(_conv(keras, x, 1)), 8)[0], "float32"
    ),
}

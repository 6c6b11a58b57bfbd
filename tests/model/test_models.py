import numpy as np
import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.model.mobilenet import MobileNetV2, eighths
from roundoff.model.resnet import ResNet

STRIDES = [1, 1, 1, 2, 2, 1, 2, 1]
MEAN, STD = [120.0, 110.0, 100.0], [60.0, 50.0, 40.0]


def built(model, shape=(32, 32, 3), mean=MEAN, std=STD):
    return model.build(shape, 10, mean, std)


@pytest.mark.parametrize("model", [ResNet(1, 4), MobileNetV2(0.1, STRIDES)], ids=["resnet", "mobilenet"])
def test_a_model_takes_uint8_pixels_and_gives_float32_logits(model):
    network = built(model)
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in network.inputs] == [
        ("image", "uint8", (None, 32, 32, 3))
    ]
    logits = np.asarray(network(np.full((2, 32, 32, 3), 255, np.uint8), training=False))
    assert logits.shape == (2, 10)
    assert logits.dtype == np.float32


def test_the_preprocessing_is_in_the_graph():
    network = built(ResNet(1, 4))
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    normalised = np.asarray(network.get_layer("normalise")(image))
    np.testing.assert_allclose(normalised, (image - np.array(MEAN)) / np.array(STD), atol=1e-5)


def test_a_constant_channel_is_centred():
    network = built(ResNet(1, 4), std=[60.0, 0.0, 40.0])
    image = np.full((1, 32, 32, 3), 111, np.uint8)
    assert np.asarray(network.get_layer("normalise")(image))[0, 0, 0, 1] == pytest.approx(1.0)


def test_statistics_of_another_channel_count_are_refused():
    with pytest.raises(DataError, match="channel statistics do not fit"):
        built(ResNet(1, 4), shape=(32, 32, 1))


@pytest.mark.parametrize(("blocks", "layers"), [(1, 8), (3, 20)])
def test_resnet_has_the_depth_of_its_name(blocks, layers):
    convolutions = [
        layer.name
        for layer in built(ResNet(blocks, 4)).layers
        if layer.name.endswith("_conv") and "shortcut" not in layer.name
    ]
    assert len(convolutions) + 1 == layers


def test_resnet8_has_the_kernels_of_mlperf_tinys():
    kernels = sum(int(np.prod(w.shape)) for w in built(ResNet(1, 16)).trainable_weights if w.name == "kernel")
    # MLPerf Tiny's: stem, three stages of two 3×3 convolutions, two 1×1 shortcuts, one dense layer.
    expected = 27 * 16 + 2 * 9 * 16**2 + 9 * 16 * 32 + 9 * 32**2 + 16 * 32 + 9 * 32 * 64 + 9 * 64**2 + 32 * 64 + 640
    assert kernels == expected


def test_mobilenet_v2_has_the_size_that_its_yaml_states():
    network = built(MobileNetV2(1.3, STRIDES))
    folded = sum(int(np.prod(w.shape)) for w in network.trainable_weights if w.name != "gamma")
    assert 14 < folded * 4 / 1e6 < 17
    assert network.get_layer("head_relu").output.shape == (None, 4, 4, 1664)


def test_channels_are_multiples_of_eight_and_lose_at_most_a_tenth():
    for channels in range(1, 2000):
        rounded = eighths(channels)
        assert rounded % 8 == 0
        assert rounded >= 0.9 * channels


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: ResNet(0, 16), "model.blocks"),
        (lambda: ResNet(1, 0), "model.width"),
        (lambda: ResNet(1, 16, 1.0), "model.batch_norm_momentum"),
        (lambda: MobileNetV2(0, STRIDES), "model.width"),
        (lambda: MobileNetV2(1.0, STRIDES[:-1]), "model.strides"),
        (lambda: MobileNetV2(1.0, [3, *STRIDES[1:]]), "model.strides"),
        (lambda: MobileNetV2(1.0, STRIDES, -0.1), "model.batch_norm_momentum"),
    ],
)
def test_a_setting_out_of_range_is_named(make, key):
    with pytest.raises(ConfigError, match=key):
        make()

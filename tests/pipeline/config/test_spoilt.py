"""Every key of conf/, spoilt: each value is refused with the key named, or is on the list of what is right."""

import copy

import pytest
from omegaconf import OmegaConf

from roundoff.errors import ConfigError
from roundoff.pipeline.config import check
from tests.support.configuration import CONF, composed, plain

pytestmark = pytest.mark.slow  # a campaign of some 240 spoilt settings

CODE = {"_target_": "os.getcwd"}
SPOILT = {
    "null": None,
    "text": "text",
    "empty text": "",
    "list": [],
    "dict": {},
    "list of null": [None],
    "list of lists": [[1]],
    "list of code": [CODE],
    "list of lists of code": [[{"a": CODE}]],
    "code": CODE,
    "-1": -1,
    "0": 0,
    "0.5": 0.5,
    "huge": 10**12,
    "vast": 10**400,
    "nan": float("nan"),
    "inf": float("inf"),
    "true": True,
    "mandatory": "???",
    "nowhere": "${nowhere.at.all}",
}
# Which keys may be that after all, by the end of their names or in full.
RIGHT = {
    "null": "max_drop_points profiles workspace_mb threads latency_ms throughput_per_s size_mb memory_mb mj_per_image "
    "cache archive lock_directory lock_timeout_s model.mean model.std model.classes output layout build.more "
    "min_agreement price_per_hour cost_backend prepare.slices sweep.cell",
    "text": "classes output trained prepared predictions timings engines metrics plots logs path downloads cache "
    "archive lock_directory mixed cost_backend",
    "list": "exclude_nodes exclude_types accuracy_only backends.tensorrt_rtx.compute_capabilities "
    "precisions.fp16.keep_float32 more.bf16.keep_float32 more.fp8.keep_float32 more.int8_fp16.keep_float32",
    "-1": "scale offset model.mean",
    "0": "seed shift_pixels optimization_level flip_examples batch_norm_momentum warmup_fraction momentum weight_decay "
    "label_smoothing warmup_ms speed_margin max_drop_points offset model.mean lock_timeout_s "
    "sensitivity.images left_wide draws",
    "0.5": "tolerance test_fraction validation_fraction interval_target chance_margin learning_rate percentile scale "
    "max_clipped_percent min_relative_accuracy min_seconds budget_seconds energy_seconds batch_norm_momentum "
    "warmup_fraction momentum weight_decay label_smoothing warmup_ms speed_margin latency_ms throughput_per_s size_mb "
    "memory_mb mj_per_image max_drop_points offset model.mean model.std min_agreement price_per_hour lock_timeout_s",
    # a budget that all cells hold; a rate at which training tells that its loss is not finite
    "huge": "latency_ms throughput_per_s size_mb memory_mb mj_per_image learning_rate weight_decay price_per_hour",
    "true": "flip first_layer last_layer residual depthwise bias_correction version_compatible cuda_graphs "
    "spin_between_runs aa_control keep_logits multi_gpu strict check_preprocessing symmetric",
    "mandatory": "build.precision",
}
PRECISIONS = "fp32,tf32,fp16,bf16,int8,int8_fp16,int8_int16,fp8"
WAYS = 4  # of SPOILT for each key, in turn: all twenty for all keys would take minutes


def ways_for(key):
    words = list(SPOILT)
    start = sum(key.encode())
    return [words[(start + turn * len(words) // WAYS) % len(words)] for turn in range(WAYS)]


def whole(*overrides):
    cfg = plain(composed(*overrides))
    for section in ("dataset", "model"):
        if cfg[section].get("path") == "???":
            cfg[section]["path"] = "images.zip"
    return cfg


def keys_of(values, prefix=""):
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{name}.")


def every_key():
    cfg = whole(
        "backend=[tensorrt,tensorrt_rtx,torch,onnxruntime,onnxruntime_cuda,litert]", f"precision=[{PRECISIONS}]"
    )
    yield from [pytest.param(cfg, key, id=key) for key in keys_of(cfg)]
    chosen = {"digits", "resnet8", "resnet20", "entropy"}
    for group in ("dataset", "model", "calibrate"):
        for path in sorted((CONF / group).glob("*.yaml")):
            if path.stem not in chosen:
                cfg = whole(f"{group}={path.stem}")
                for key in keys_of({group: cfg[group]}):
                    yield pytest.param(cfg, key, id=f"{path.stem}:{key}")


def spoilt_at(cfg, key, value):
    cfg = copy.deepcopy(cfg)
    *sections, last = key.split(".")
    at = cfg
    for section in sections:
        at = at[section]
    at[last] = value
    return OmegaConf.create(cfg)


def right(cfg, key):
    found = {words for words, names in RIGHT.items() if {key, key.split(".")[-1]} & set(names.split())}
    found |= {"dict"} if key == "more" else set()
    return found | ({"0.5"} if key == "model.width" and "mobilenet" in cfg["model"]["_target_"] else set())


@pytest.mark.parametrize(("cfg", "key"), every_key())
def test_a_spoilt_value_is_refused_with_its_key(cfg, key, tmp_path):
    accepted, unnamed = set(), {}
    for words in ways_for(key):
        try:
            check(spoilt_at(cfg, key, SPOILT[words]), tmp_path)
        except ConfigError as error:
            if key.split(".")[-1].removesuffix("s") not in str(error):
                unnamed[words] = error.what
        else:
            accepted.add(words)
    assert (accepted, unnamed) == (right(cfg, key) & set(ways_for(key)), {})

"""Every YAML of conf/ composes and passes the check; params.yaml is what conf/ composes to."""

import shutil
from itertools import zip_longest

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from roundoff.backend.onnxrt_cuda.backend import OnnxRuntimeCuda
from roundoff.backend.torch_compile.backend import TorchCompile
from roundoff.backend.trt.backend import Tensorrt
from roundoff.calibration.base import Calibrator
from roundoff.dataset.base import WATCHED_BY_DEFAULT, Dataset
from roundoff.dataset.cifar10 import Cifar10
from roundoff.errors import ConfigError
from roundoff.measurement.evaluate import Evaluation
from roundoff.model.base import AnyModel
from roundoff.model.keras_file import KerasFile
from roundoff.pipeline.config import check, component
from roundoff.pipeline.params import write_params
from roundoff.system.slots import STAGED
from tests.support.places import ROOT

GROUPS = ("dataset", "model", "train", "calibrate", "evaluate", "verdict", "report")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Where no output stands in the way."""
    monkeypatch.chdir(tmp_path)


def options(group):
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


CHOICES = [
    *([f"{group}={name}" for name in options(group)] for group in GROUPS),
    [f"backend=[{name}]" for name in options("backend")],
    [f"precision=[{','.join((*STAGED, name))}]" for name in options("precision") if name not in STAGED],
]


def composed(*overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=list(overrides))
    if OmegaConf.is_missing(cfg.dataset, "path"):
        with open_dict(cfg):
            cfg.dataset.path = "images.zip"
    if OmegaConf.is_missing(cfg.model, "path"):
        cfg.model.path = "model.keras"
    for given in cfg.given.values():
        if OmegaConf.is_missing(given, "path"):
            given.path = "model.onnx"
    return cfg


@pytest.mark.parametrize("together", zip_longest(*CHOICES), ids=str)
def test_every_choice_composes_and_passes_the_check(together):
    """Of each group one, whatever the others are."""
    check(composed(*filter(None, together)))


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_composes_and_passes_the_check(experiment):
    check(composed(f"experiment={experiment}"))


def test_what_is_ranked_is_timed():
    assert composed("evaluate.batch_sizes=[32]").verdict.batch_size == 32
    with pytest.raises(ConfigError, match=r"verdict.batch_size is not timed(.|\n)*received: 1\n(.|\n)*sizes: 8, 32"):
        check(composed("evaluate.batch_sizes=[8,32]", "verdict.batch_size=1"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("tensorrt", Tensorrt), ("tensorrt_rtx", Tensorrt)),
        *(("torch", TorchCompile), ("onnxruntime_cuda", OnnxRuntimeCuda)),
    ],
)
def test_engines_are_built_for_the_batch_sizes_that_are_evaluated(name, kind):
    cfg = composed(f"backend=[{name}]", "evaluate.batch_sizes=[4,64]")
    assert component(cfg.backends[name], kind).batch_sizes == [4, 64]


def test_the_original_report_is_repeated_with_its_settings():
    cfg = composed("experiment=original_report")
    check(cfg)
    model = component(cfg.model, AnyModel)
    assert isinstance(model, KerasFile)
    assert 14e6 < (ROOT / model.path).stat().st_size < 17e6
    assert (type(component(cfg.dataset, Dataset)), cfg.calibrate.images) == (Cifar10, 10 * 32)
    assert component(cfg.calibrate, Calibrator).name == "entropy"
    assert list(cfg.precisions) == ["fp32", "fp16", "int8"]
    assert list(cfg.backends) == ["tensorrt", "litert"]
    assert component(cfg.backends.tensorrt, Tensorrt).profiles == [[1, 16, 32]]
    assert list(cfg.evaluate.batch_sizes) == [1, 16, 32]
    assert cfg.report.language == "ja"
    check(composed("experiment=original_report", "backend=[tensorrt,tensorrt_rtx,litert]"))


@pytest.mark.parametrize("sizes", ["[0]", "[]", "[1.5]", "[a]", "null"])
def test_wrong_batch_sizes_are_to_be_corrected_where_they_are_set(sizes):
    with pytest.raises(
        ConfigError,
        match=r"fix: +set evaluate.batch_sizes to what is expected; conf/ has evaluate.batch_sizes=\[1,32\]",
    ):
        check(composed(f"evaluate.batch_sizes={sizes}", "verdict.batch_size=1"))


def test_params_yaml_is_what_conf_composes_to(tmp_path):
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    write_params(tmp_path / "params.yaml", [])
    assert (ROOT / "params.yaml").read_text() == (tmp_path / "params.yaml").read_text(), "run `make params`"


@pytest.mark.parametrize("name", options("dataset"))
def test_what_a_dataset_watches_is_there_or_follows_its_path(name):
    cfg = composed(f"dataset={name}")
    assert cfg.dataset.watch == cfg.dataset.path if "path" in cfg.dataset else (ROOT / cfg.dataset.watch).is_file()


def test_a_dataset_from_outside_watches_a_file_that_is_always_there(tmp_path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf/dataset/mine.yaml").write_text("_target_: mine.Mine\n")
    write_params(tmp_path / "params.yaml", ["dataset=mine"])
    assert OmegaConf.load(tmp_path / "params.yaml").dataset.watch == WATCHED_BY_DEFAULT
    assert (ROOT / WATCHED_BY_DEFAULT).is_file()


def test_the_evaluation_that_benchmarks_judge_is_the_one_that_ships():
    assert component(composed().evaluate, Evaluation) == Evaluation()


def test_params_hold_no_hydra_node():
    assert "hydra" not in OmegaConf.load(ROOT / "params.yaml")


@pytest.mark.slow  # composes each
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["build.more=[bf16,fp8]"],
            r"build.more is no setting any more(.|\n)*fix: +say precision=\[fp32,fp16,int8,bf16,fp8\]",
        ),
        (["build.more=[]"], r"build.more is no setting any more(.|\n)*fix: +say precision=\[fp32,fp16,int8\]"),
        (["precision=[fp32,int8,bf16]"], r"leaves out fp16(.|\n)*fix: +set precision=\[fp32,fp16,int8,bf16\]"),
        (["precision=[]"], "no precision is left"),
        (
            ["+precisions.mine=${precisions.fp16}"],
            r"precisions.mine is where no stage looks(.|\n)*# @package more.mine",
        ),
        (["+given.mine=${precisions.fp32}"], r"the given.mine._target_ is not a Given"),
        (
            ["+given.mine={_target_: roundoff.precision.given.Given, path: q.onnx}"],
            r"given.mine is where no stage looks(.|\n)*fix: +call it given_mine",
        ),
        (
            ["+more.given_mine=${precisions.fp32}"],
            r"more.given_mine is where no stage looks(.|\n)*# @package given.given_mine",
        ),
        (
            ["precisions.int8.exclude_nodes=models/mixed/int8_mixed.json"],
            r"precisions.int8.exclude_nodes is not what its stage depends on(.|\n)*expected: a list of names",
        ),
        (
            ["precision=[fp32,fp16,int8,int8_mixed]", "mixed.int8_mixed.exclude_nodes=[conv]"],
            r"mixed.int8_mixed.exclude_nodes is not(.|\n)*expected: models/mixed/int8_mixed.json",
        ),
        (
            ["+more.int8_mixed=${precisions.int8}"],
            r"more.int8_mixed is where no stage looks(.|\n)*# @package mixed.int8_mixed",
        ),
        (["+more.int8=${precisions.int8}"], r"more.int8 is where no stage looks(.|\n)*# @package precisions.int8"),
        (["build.precision=bf16"], "build.precision names what is not there"),
        (["build.precision=int4"], "build.precision names what is not there"),
        (["evaluate.accuracy_only=[onnx]"], "evaluate.accuracy_only names what is not there.*\n.*onnx.*\n.*litert"),
        (["backend=[]"], "no backend is left"),
    ],
)
def test_what_is_built_and_measured_must_be_there(overrides, message):
    check(composed("precision=[fp32,fp16,int8,bf16]", "build.precision=bf16", "evaluate.accuracy_only=[onnxruntime]"))
    with pytest.raises(ConfigError, match=message):
        check(composed(*overrides))


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        (["evaluate.stop_early=0.98"], r"decides another question than the verdict(.|\n)*stop_early=0\.99"),
        (
            ["evaluate.stop_early=0.99", "verdict.min_agreement=0.9"],
            r"min_agreement may stay undecided(.|\n)*min_agreement=null",
        ),
        (
            ["evaluate.stop_early=0.99", "verdict.min_relative_accuracy=null", "verdict.max_drop_points=1"],
            r"another question(.|\n)*evaluate\.stop_early=null",
        ),
        (["evaluate.stop_early=1.5"], r"evaluate\.stop_early is out of range"),
        *(
            (["evaluate.stop_early=0.99", f"verdict.{name}=1"], rf"{name} may stay undecided(.|\n)*{name}=null")
            for name in ("max_slice_drop_points", "latency_ms", "throughput_per_s", "size_mb", "memory_mb")
        ),
        (
            ["evaluate.stop_early=0.99", "verdict.speed_margin=0.05"],
            r"verdict does not tell apart(.|\n)*interval_target=0\.05",
        ),
    ],
)
def test_a_test_set_that_ends_early_answers_the_verdicts_question(settings, refused):
    with pytest.raises(ConfigError, match=refused):
        check(composed(*settings))


def test_ending_early_at_the_verdicts_own_target_is_fine():
    check(composed("evaluate.stop_early=0.99"))
    check(composed("evaluate.stop_early=0.995", "verdict.min_relative_accuracy=0.995"))
    check(composed("evaluate.stop_early=0.99", "verdict.speed_margin=0.05", "evaluate.interval_target=0.05"))

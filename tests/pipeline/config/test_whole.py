"""The configuration as a whole: its sections, names, keys that name code, and interpolations."""

import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from roundoff.errors import ConfigError
from roundoff.pipeline.config import check
from roundoff.pipeline.config.kinds import KINDS, kind_at
from roundoff.pipeline.config.renamed import RENAMED
from tests.support.configuration import plain
from tests.support.places import ROOT

HEAVY = ("onnx", "scipy", "keras", "tensorflow", "torch", "onnxruntime", "pandas", "matplotlib", "rich")


def refused(cfg, folder, message):
    with pytest.raises(ConfigError, match=message):
        check(cfg, folder)


@pytest.mark.parametrize(
    "section", ["train", "precisions", "more", "given", "backends", "build", "paths", "verdict", "backends.litert"]
)
@pytest.mark.parametrize("value", [None, "x", [], 3, "???", ["a"]])
def test_a_section_of_another_kind_is_refused(spoilt, tmp_path, section, value):
    refused(spoilt(**{section: value}), tmp_path, f"{section} is no section")


@pytest.mark.parametrize(
    "section",
    [
        *(key for key in KINDS if "." not in key),
        *("precisions", "more", "given", "backends", "build", "paths", "calibrate.images"),
    ],
)
def test_a_section_that_is_missing_is_named(default, tmp_path, section):
    cfg = OmegaConf.create(default)
    cfg.seed, cfg.verdict.batch_size, cfg.backends.tensorrt_rtx.batch_sizes = 0, 1, [1]
    *above, last = section.split(".")
    del (cfg[above[0]] if above else cfg)[last]
    words = {"precisions": "no precision is left", "backends": "no backend is left"}.get(section, section)
    refused(cfg, tmp_path, words)


def test_a_setting_that_is_gone_is_refused_with_what_to_do(spoilt, tmp_path):
    cfg = spoilt(**{"evaluate.accuracy_batch": 256})
    refused(
        cfg,
        tmp_path,
        r"evaluate\.accuracy_batch is gone(.|\n)*backends cut the test set(.|\n)*remove evaluate",
    )


def test_an_unknown_section_is_refused(spoilt, tmp_path):
    refused(spoilt(verdicts={}), tmp_path, "unknown key verdicts(.|\n)*did you mean verdict")
    refused(spoilt(hydra={"callbacks": {}}), tmp_path, "unknown key hydra")
    refused(spoilt(**{"build.mode": 1}), tmp_path, r"unknown key build\.mode")
    refused(spoilt(**{"paths.modell": "a"}), tmp_path, r"unknown key paths\.modell")


# the default builds no further precision
HERE = {old.replace("*", "fp16"): new.replace("*", "fp16") for old, new in RENAMED.items() if old[:5] != "more."}


@pytest.mark.parametrize("old", HERE)
def test_a_keys_old_name_is_refused_with_the_new_one(spoilt, tmp_path, old):
    refused(spoilt(**{old: 0.9}), tmp_path, rf"{old} has a new name(.|\n)*write {HERE[old]} instead")


@pytest.mark.parametrize("new", HERE.values())
def test_a_new_name_is_a_key(default, new):
    assert OmegaConf.select(OmegaConf.create(default), new, default="none") != "none"


def test_a_value_is_refused_before_a_missing_section(tmp_path):
    cfg = OmegaConf.create({"dataset": {"_target_": "roundoff.dataset.image_folder.ImageFolder", "path": 123}})
    refused(cfg, tmp_path, r"wrong type of dataset\.path")


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a.b", "", "a b", "é", "x" * 65, "format", "platform", "answer", ".", "a\n", 1, None]
)
@pytest.mark.parametrize("section", ["precisions", "backends"])
def test_a_name_that_can_be_no_folder_is_refused(default, tmp_path, section, name):
    cfg = plain(OmegaConf.create(default))
    cfg[section][name] = dict(next(iter(cfg[section].values())))
    if name is None:  # which OmegaConf knows no key of
        return
    refused(OmegaConf.create(cfg), tmp_path, "is no name for a folder|has a name that is taken")


@pytest.mark.parametrize("key", ["evaluate.accuracy_only"])
@pytest.mark.parametrize("name", ["../x", "a/b", "", "ü"])
def test_a_name_that_is_repeated_is_no_path_either(spoilt, tmp_path, key, name):
    refused(spoilt(**{key: [name]}), tmp_path, f"{key} is no name for a folder")
    refused(spoilt(**{"build.precision": name}), tmp_path, r"build\.precision is no name for a folder")


CODE = {"_target_": "os.mkdir", "path": "made"}
PLACES = [
    "evaluate.accuracy_only",
    "paths.metrics",
    "seed",
    "dataset.size",
    "precisions.int8.exclude_nodes",
    "backends.tensorrt_rtx.profiles",
    "report.language",
    "verdict.min_relative_accuracy",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("nest", [lambda v: v, lambda v: [v], lambda v: [[v]], lambda v: [{"a": [{"b": v}]}]])
def test_code_is_named_nowhere_but_in_a_components_place(spoilt, tmp_path, monkeypatch, place, nest):
    monkeypatch.chdir(tmp_path)
    refused(spoilt(**{place: nest(CODE)}), tmp_path, "_target_ may not stand here|is no section")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("section", [*(key for key in KINDS if "." not in key), "precisions", "backends", "paths"])
def test_a_list_in_a_sections_place_runs_nothing(spoilt, tmp_path, monkeypatch, section):
    monkeypatch.chdir(tmp_path)
    refused(spoilt(**{section: [CODE]}), tmp_path, f"{section} is no section")
    refused(spoilt(**{section: CODE}), tmp_path, section)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("key", ["_partial_", "_args_", "_recursive_", "_convert_"])
def test_what_hydra_acts_on_is_refused_in_a_component(spoilt, tmp_path, key):
    refused(spoilt(**{f"train.{key}": ["x"]}), tmp_path, rf"train\.{key} may not stand here")
    refused(spoilt(**{f"build.{key}": True}), tmp_path, rf"build\.{key} may not stand here")


def test_nothing_is_imported_before_all_keys_stand_where_they_may(spoilt, tmp_path, monkeypatch):
    (tmp_path / "tells.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = spoilt(**{"dataset._target_": "tells.Data", "report.language": [{"_target_": "tells.x"}]})
    refused(cfg, tmp_path, "_target_ may not stand here")


def test_code_that_an_interpolation_brings_is_refused_as_well(spoilt, tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDOFF_TEST", "{_target_: os.mkdir, path: made}")
    refused(
        spoilt(**{"evaluate.accuracy_only": ["${oc.decode:${oc.env:ROUNDOFF_TEST}}"]}), tmp_path, "may not stand here"
    )
    refused(
        spoilt(**{"evaluate.accuracy_only": ["${oc.create:${oc.env:ROUNDOFF_TEST}}"]}), tmp_path, "may not stand here"
    )
    refused(
        spoilt(**{"evaluate.accuracy_only": "${dataset}"}),
        tmp_path,
        r"evaluate\.accuracy_only\._target_ may not stand here",
    )


def test_an_environment_variable_may_be_a_value(spoilt, tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDOFF_TEST", "ja")
    check(spoilt(**{"report.language": "${oc.env:ROUNDOFF_TEST}"}), tmp_path)


@pytest.mark.parametrize(
    "text",
    ["${nowhere}", "${train.nothing}", "${oc.env:ROUNDOFF_NO}", "${report.language}", "${report}", "${no.such:1}"],
)
def test_an_interpolation_that_leads_nowhere_is_named(spoilt, tmp_path, text):
    refused(spoilt(**{"report.language": text}), tmp_path, r"report\.language|has no end")


def test_interpolations_without_end_are_refused(spoilt, tmp_path):
    refused(spoilt(**{"seed": "${prepare.seed}", "prepare.seed": "${seed}"}), tmp_path, "seed leads to no value")
    refused(spoilt(**{"evaluate.accuracy_only": ["${evaluate.accuracy_only}"]}), tmp_path, "no end|leads to no value")
    more = {f"build.l{n}": [f"${{build.l{n - 1}}}"] * 10 for n in range(1, 9)}
    refused(spoilt(**{"build.l0": [1] * 10, **more}), tmp_path, "has no end")


def test_every_place_of_a_component_has_its_kind():
    for key in KINDS:
        assert kind_at(key).__name__ == KINDS[key].rpartition(".")[2]
    assert kind_at("backends.mine").__name__ == "Backend"


def test_a_check_imports_no_heavy_library(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.support.configuration import composed; from roundoff.pipeline.config import check\n"
        "check(composed('backend=[tensorrt,tensorrt_rtx,torch,onnxruntime,onnxruntime_cuda,litert]'))\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[2:])))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(ROOT), *HEAVY], cwd=tmp_path, capture_output=True, text=True
    )
    assert (run.stdout.strip(), run.returncode) == ("", 0), run.stderr

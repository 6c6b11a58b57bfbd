"""dvc.yaml names all code that can change what a stage writes, and no more: a change of it reruns the stage."""

import ast

import pytest
import yaml

from tests.support.imports import SOURCE, called_names, closure, executed, files_of, only_names_others, parsed
from tests.support.places import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
ALWAYS_RUNS = ("probe",)
# Modules of src/roundoff/ that no output depends on: a stage that ends well writes the same, whatever is in them.
EXEMPT = {
    "calibration/observing/sound.py": "refuses ranges that cannot be",
    "dataset/preparing/sound.py": "refuses prepared files that are not what their manifest says",
    "errors.py": "what a user reads where a stage ends without its outputs",
    "export/fit.py": "refuses a graph and images of two sizes",
    "model/taking/keras_reading.py": "refuses a Keras file that is broken",
    "model/taking/quantized.py": "refuses a model that is quantized",
    "system/arrays.py": "reads arrays as they stand in their files, or refuses them",
    "system/at_work.py": "leaves out work that ended the process before",
    "system/held_output.py": "shows what a library said where a stage ends badly",
    "system/own.py": "refuses to replace a folder with files of others",
    "system/processes.py": "tells whether who left something half written still runs",
    "system/progress.py": "shows how far a stage is",
    "system/refusal.py": "says what the system refuses where a stage ends badly",
    "system/scratch.py": "says where temporary files lie",
    "system/stopping.py": "ends a stage at a signal",
}
# Modules that import what only a run tells, so that no test can follow it.
TOLD_BY_A_RUN = {
    "backend/fingerprint.py": "every backend that is shipped: for probe, which always runs",
    "backend/trt/library.py": "TensorRT or TensorRT-RTX, none of ours",
    "pipeline/config/kinds.py": "the bases of components, when a configuration is checked: a component imports its own",
}
CATALOGUE = SOURCE / "roundoff/catalogue"
WRITES_SENTENCES = ("report",)  # other stages write codes, which the catalogue's words do not change
LEFT_OUT = {SOURCE / "roundoff" / name for name in EXEMPT}
# What a stage reads of the configuration that is none of its parameters, since no output depends on it.
READ_ALONE = {
    ("evaluate", "verdict.batch_size"),  # what it returns to a sweeper is of this one; nothing that it writes is
    ("prepare", "calibrate.images"),  # refused where there are too few images
    ("build-fp32", "calibrate.images"),  # nothing is calibrated: the images are handed on and not looked at
    ("build-fp16", "calibrate.images"),
}


def inside(stage):
    return STAGES[stage].get("do", STAGES[stage])


def script(stage):
    return ROOT / next(word for word in inside(stage)["cmd"].split() if word.startswith("stages/"))


def dependencies(stage):
    """Code that the stage depends on, files and folders."""
    return [ROOT / dep for dep in inside(stage)["deps"] if dep.startswith(("src/", "stages/"))]


def targets(value):
    """The modules of all components in a part of the configuration."""
    if isinstance(value, dict):
        yield from [value["_target_"].rpartition(".")[0]] if "_target_" in value else []
        for each in value.values():
            yield from targets(each)


def parameters(stage):
    """What stands in params.yaml at each of the stage's parameters; of `more`, `mixed`, `given` all that is shipped."""
    names = inside(stage).get("params", [])
    shipped = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "conf/precision").glob("*.yaml")}
    given = {"given": shipped.pop("given")}
    mixed = {name: shipped.pop(name) for name in list(shipped) if name.endswith("_mixed")}
    values = {**PARAMS, "more": shipped, "mixed": mixed, "given": given}
    for name in names:
        value = values
        for part in name.replace(".${key}", "").split("."):
            value = value[part]
        yield value


def needed(stage, start=None, left_out=LEFT_OUT):
    """The stage's script, or `start`, and what it and the components that the stage is given import."""
    modules = [name for value in parameters(stage) for name in targets(value)]
    found = closure([start or script(stage), *(file for name in modules for file in files_of(name))], left_out)
    sentences = CATALOGUE.glob("*.json") if stage in WRITES_SENTENCES else ()
    return {path for path in (*found, *sentences) if not only_names_others(path)}


def holes(stage, deps, start=None):
    """What is needed and lies at or in none of `deps`."""
    return {path for path in needed(stage, start) if not any(path.is_relative_to(dep) for dep in deps)}


CHECKED = [stage for stage in STAGES if stage not in ALWAYS_RUNS]


@pytest.mark.parametrize("stage", CHECKED)
def test_what_a_stage_imports_is_a_dependency(stage):
    assert holes(stage, dependencies(stage)) == set()


@pytest.mark.slow
@pytest.mark.parametrize("stage", CHECKED)
def test_without_any_of_its_dependencies_there_is_a_hole(stage):
    deps = dependencies(stage)
    for dep in deps:
        assert holes(stage, [each for each in deps if each != dep]), f"{dep} is not needed by {stage}"


@pytest.mark.parametrize(
    "line",
    [
        "import roundoff.verdict.budgets",
        "from roundoff.verdict import budgets",
        "def later():\n    from roundoff.verdict import budgets",
        "try:\n    from roundoff.verdict.budgets import x\nexcept ImportError:\n    pass",
        "class Late:\n    from roundoff.verdict import budgets",
        "import importlib\nimportlib.import_module('roundoff.verdict.budgets')",
        "__import__('roundoff.verdict.budgets')",
    ],
)
def test_an_import_that_is_planted_is_a_hole(tmp_path, line):
    planted = tmp_path / "prepare.py"
    planted.write_text(f"{script('prepare').read_text()}\n{line}\n")
    found = holes("prepare", [*dependencies("prepare"), tmp_path], planted)
    assert {SOURCE / "roundoff/verdict/budgets.py", SOURCE / "roundoff/results/verdict.py"} <= found


def test_what_is_imported_for_types_alone_is_no_hole(tmp_path):
    planted = tmp_path / "prepare.py"
    line = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from roundoff.verdict import budgets"
    planted.write_text(f"{script('prepare').read_text()}\n{line}\n")
    assert holes("prepare", [*dependencies("prepare"), tmp_path], planted) == set()


def test_what_only_a_run_imports_is_known_with_its_reason():
    files = (SOURCE / "roundoff").rglob("*.py")
    told = {path.relative_to(SOURCE / "roundoff").as_posix() for path in files if None in called_names(path)}
    assert told == set(TOLD_BY_A_RUN)


@pytest.mark.parametrize("name", EXEMPT)
def test_what_is_exempt_is_imported_by_a_stage(name):
    assert any(SOURCE / "roundoff" / name in needed(stage, left_out=()) for stage in CHECKED)


@pytest.mark.parametrize("name", EXEMPT)
def test_what_is_exempt_is_no_dependency(name):
    """Or a change of it would rerun the stage for nothing."""
    assert not [stage for stage in CHECKED for dep in dependencies(stage) if SOURCE / "roundoff" / name == dep]


def read_of_configuration(stage):
    """The dotted keys below `cfg` that the stage's script reads."""
    for node in executed(parsed(script(stage))):
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("cfg."):
            yield ast.unparse(node).removeprefix("cfg.")


@pytest.mark.parametrize("stage", CHECKED)
def test_what_a_stage_reads_of_the_configuration_is_its_parameter(stage):
    given = [name.partition(".${")[0] for name in inside(stage)["params"]]
    keys = {key for key in read_of_configuration(stage) if not key.startswith("paths")}
    longest = {key for key in keys if not any(other.startswith(f"{key}.") for other in keys)}
    told = {key for key in longest for name in given if f"{key}.".startswith(f"{name}.") or name.startswith(f"{key}.")}
    assert {key for key in longest - told if (stage, key) not in READ_ALONE} == set()


@pytest.mark.parametrize(
    "changed", [SOURCE / "roundoff/report/report.py", CATALOGUE / "en.json"], ids=lambda path: path.name
)
def test_a_change_in_the_report_or_a_sentence_reruns_the_report_alone(changed):
    assert [stage for stage in CHECKED if any(changed.is_relative_to(dep) for dep in dependencies(stage))] == ["report"]

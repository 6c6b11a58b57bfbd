"""The configuration, checked as a whole before any work: sections, names, types and ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from roundoff.errors import ConfigError
from roundoff.pipeline.config.kinds import NAMED, SINGLE, kind_at, kind_name
from roundoff.pipeline.config.making import check_arguments, made, refuse_special, unknown_key
from roundoff.pipeline.config.names import check_name, require_known
from roundoff.pipeline.config.plain import MISSING, plain, shortened
from roundoff.pipeline.config.renamed import refuse_second_list
from roundoff.pipeline.config.values import check_value
from roundoff.pipeline.limits import check_seed
from roundoff.pipeline.paths import Paths, check_paths
from roundoff.system.slots import GIVEN, MIXED, MORE, STAGED, config_key, section_of

SECTIONS = (*SINGLE, *NAMED, "build", "paths")
KNOWN = ("seed", *SECTIONS)
PRECISIONS = ("precisions", MORE, MIXED, GIVEN)
BUILD: dict[str, Any] = {"precision": str, "more": None, "strict": bool}
# what a verdict may also ask for, which a test set that ends early, or a race that is over, may leave undecided
NOT_BY_STOPPING = (
    *("max_drop_points", "min_agreement", "max_slice_drop_points"),
    *("latency_ms", "throughput_per_s", "size_mb", "memory_mb", "mj_per_image"),
)

Values = dict[Any, Any]


def check(cfg: DictConfig, root: Path | None = None) -> None:
    """Refuse the configuration unless it is whole and every component in it can be made; raises ConfigError.

    Values first, then what is missing. Nothing is imported before all keys that could name code stand where they may.
    `root` is the project's folder; by default that in which the running stage was started, or else the current one.
    """
    _check_shapes(OmegaConf.to_container(cfg), followed=False)  # or what reads from a lost section would be blamed
    refuse_special(OmegaConf.to_container(cfg), "")  # where it was written, not where it is read
    values = plain(cfg)
    _check_shapes(values, followed=True)
    refuse_special(values, "")
    _check_components(values)
    _check_build(values.get("build", {}))
    if "paths" in values:
        check_arguments("paths", values["paths"], Paths)
        check_paths(values["paths"], *(_places() if root is None else (root, None)))
    _check_whole(values)
    _check_cells(values)
    _check_choices(values)
    _check_ranked(values)
    _check_stop_early(values)


def _places() -> tuple[Path, Path | None]:
    """The project's folder, and where a stage that is run by hand writes instead."""
    if not HydraConfig.initialized():
        return Path.cwd(), None
    runtime = HydraConfig.get().runtime
    return Path(runtime.cwd), Path(runtime.output_dir)


def _check_shapes(values: Any, followed: bool) -> None:
    """Each section that is there is one, and its components have names that can be folders."""
    for section in SECTIONS:
        if section in values:
            _require_section(section, values[section], followed)
    for section in NAMED:
        members = values.get(section)
        for name in members if isinstance(members, dict) else ():
            check_name(f"{section}.{name}", name)
            _require_section(f"{section}.{name}", members[name], followed)


def _require_section(key: str, value: object, followed: bool) -> None:
    leads_on = not followed and isinstance(value, str) and "${" in value
    if not isinstance(value, dict) and not leads_on:
        kind = kind_name(key)
        raise ConfigError(
            f"{key} is no section",
            received=shortened(repr(value)),
            expected=f"keys with values, and _target_ naming a {kind}" if kind else "keys with values",
            fix=f"leave {key} as conf/ has it and set the keys in it, or choose one of conf/'s files",
        )


def _check_components(values: Values) -> None:
    components = {key: values[key] for key in SINGLE if key in values}
    for section in NAMED:  # last: what backends repeat is to be corrected elsewhere
        components |= {f"{section}.{name}": each for name, each in values.get(section, {}).items()}
    if "seed" in values:
        _check_seed(values["seed"])
    for key, each in components.items():
        made(key, each, kind_at(key))


def _check_seed(seed: Any) -> None:
    check_value("seed", seed, int)
    check_seed("seed", seed)


def _check_build(build: Values) -> None:
    for name, value in build.items():
        if name not in BUILD:
            raise unknown_key(f"build.{name}", name, tuple(BUILD))
        if name == MORE:
            refuse_second_list(value)
            continue
        if name != "precision" or value != MISSING:
            check_value(f"build.{name}", value, BUILD[name])


def _check_whole(values: Values) -> None:
    for name in values:
        if name not in KNOWN:
            raise unknown_key(str(name), name, KNOWN)
    for section in ("precisions", "backends"):
        if not values.get(section):
            group = section.removesuffix("s")
            raise ConfigError(f"no {group} is left", received=f"{group}=[]", expected="one or more", fix=f"set {group}")
    for section in SECTIONS:
        if section not in values:
            raise ConfigError(
                f"the section {section} is missing",
                received=f"only {', '.join(map(str, values)) or 'nothing'}",
                expected=f"all of {', '.join(SECTIONS)}",
                fix="bring params.yaml back to conf/ with `make params`",
            )


def _check_cells(values: Values) -> None:
    """What is built, and what is not timed, are precisions and backends that there are."""
    _check_slots(values)
    require_known("evaluate.accuracy_only", values["evaluate"].get("accuracy_only", []), list(values["backends"]))
    if "images" not in values["calibrate"]:  # which stages read that do not make the calibrator
        raise ConfigError("calibrate.images is missing", received="nothing", expected="int", fix="set calibrate.images")
    precision = values["build"].get("precision", MISSING)
    if precision != MISSING:
        require_known("build.precision", [precision], all_precisions(values))


def all_precisions(values: Values) -> list[str]:
    """The names of all that are configured, whatever builds them."""
    return [name for key in PRECISIONS for name in values[key]]


def _check_slots(values: Values) -> None:
    """Each precision stands where its stage in dvc.yaml looks for it."""
    names = all_precisions(values)
    for name in STAGED:
        if name not in values["precisions"]:
            further = [each for each in names if each not in STAGED]
            raise ConfigError(
                f"precision leaves out {name}, which has a stage and a metrics file of its own",
                received=f"precision=[{','.join(names)}]",
                expected=f"{', '.join(STAGED)}, and further ones as you like",
                fix=f"set precision=[{','.join((*STAGED, *further))}]",
            )
    for key, name in [(each, name) for each in PRECISIONS for name in values[each] if each != section_of(name)]:
        if key == GIVEN:
            expected, fix = f"a name that begins with {GIVEN}", f"call it {GIVEN}_{name}"
        else:
            expected, fix = config_key(name), f"begin its file in conf/precision/ with `# @package {config_key(name)}`"
        raise ConfigError(
            f"{key}.{name} is where no stage looks for it", received=f"{key}.{name}", expected=expected, fix=fix
        )


def _check_choices(values: Values) -> None:
    """A file that says what is left wide is one that the stage mix writes for that very precision."""
    for section in (key for key in PRECISIONS if key != GIVEN):
        for name, each in values[section].items():
            written = f"{values['paths']['mixed']}/{name}.json" if section == MIXED else "a list of names"
            setting = "exclude_nodes" if "exclude_nodes" in each else "keep_float32"
            named = each.get(setting)
            if (section == MIXED and named != written) or (section != MIXED and isinstance(named, str)):
                raise ConfigError(
                    f"{section}.{name}.{setting} is not what its stage depends on",
                    received=shortened(repr(named)),
                    expected=written,
                    fix="set it so, or choose precision=[fp32,fp16,int8,int8_mixed] (conf/precision/int8_mixed.yaml)",
                )


def _check_stop_early(values: Values) -> None:
    """A test set that ends once it decides must decide what the verdict asks; neither component knows the other's."""
    share, target = values["evaluate"].get("stop_early"), values["verdict"]
    if share is None:
        return
    asked = target.get("min_relative_accuracy", 0.99)
    if share != asked:
        raise ConfigError(
            "evaluate.stop_early decides another question than the verdict",
            received=f"evaluate.stop_early={share}, verdict.min_relative_accuracy={asked}",
            expected="the same share in both, or evaluate.stop_early=null",
            fix=f"set evaluate.stop_early={'null' if asked is None else asked}",
        )
    for name in NOT_BY_STOPPING:
        if target.get(name) is not None:
            raise ConfigError(
                f"with evaluate.stop_early, verdict.{name} may stay undecided",
                received=f"verdict.{name}={target[name]}",
                expected="verdict.min_relative_accuracy alone, by which the test set and the timing stop",
                fix=f"set verdict.{name}=null or evaluate.stop_early=null",
            )
    margin, width = target.get("speed_margin", 0.0), values["evaluate"].get("interval_target", 1.0)
    if margin > width:
        raise ConfigError(
            "with evaluate.stop_early, timing may end for what the verdict does not tell apart",
            received=f"verdict.speed_margin={margin}, evaluate.interval_target={width}",
            expected="a margin of at most evaluate.interval_target, which is the least difference in a race",
            fix=f"set evaluate.interval_target={margin} or evaluate.stop_early=null",
        )


def _check_ranked(values: Values) -> None:
    """Cells are ranked at a batch size that is timed; neither component knows the other's."""
    timed, ranked = values["evaluate"].get("batch_sizes"), values["verdict"].get("batch_size")
    if timed is not None and ranked is not None and ranked not in timed:
        raise ConfigError(
            "verdict.batch_size is not timed, so no cell could be recommended",
            received=ranked,
            expected=f"one of evaluate.batch_sizes: {', '.join(map(str, timed))}",
            fix=f"set verdict.batch_size={timed[0]}, or add {ranked} to evaluate.batch_sizes",
        )

"""`roundoff plan`: how many test images and seconds a verdict takes, before the run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from roundoff.cli.terminal.console import Commands, add_place
from roundoff.errors import DataError
from roundoff.pipeline.composing import composed, section
from roundoff.pipeline.config import component
from roundoff.pipeline.config.making import check_arguments
from roundoff.pipeline.config.plain import plain
from roundoff.pipeline.paths import DEFAULTS, Paths
from roundoff.pipeline.running import home
from roundoff.planning.plan import ASSUMED_FLIPS, Plan, plan_from_assumptions, plan_from_pilot
from roundoff.results.message import Words
from roundoff.results.metrics import read_metrics
from roundoff.results.preparation import TakenMetrics, stage_from
from roundoff.results.verdict import Requirements
from roundoff.system.files import read_json
from roundoff.verdict.requirements import Target

Rows = list[tuple[str, ...]]


def add(commands: Commands) -> None:
    """The command `plan`."""
    parser = commands.add_parser(
        "plan",
        help="how many test images and seconds a verdict takes, before the run",
        description="From the last run as a pilot, or from FP32's accuracy and assumed shares of flips: the test "
        "images that decide the verdict 4 times in 5, and the seconds that bring each speed-up within ±1 %.",
    )
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="settings, such as verdict.min_relative_accuracy=0.995"
    )
    parser.add_argument("--accuracy", type=_share, metavar="SHARE", help="FP32's accuracy; no pilot is looked at")
    parser.add_argument(
        "--flips",
        type=_share,
        action="append",
        metavar="SHARE",
        help="with --accuracy: share of images whose answer turns right or wrong (default: several)",
    )
    parser.add_argument(
        "--within", type=_share, default=0.01, metavar="SHARE", help="half-width of a speed-up (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Plan and print."""
    plan = _plan(given)
    if given.json:
        print(json.dumps({**asdict(plan), "most_images": plan.most_images}, indent=2))
    else:
        print("\n".join(_lines(plan, Words("en"))))
    return 0


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share between 0 and 1")
    return value


def _plan(given: argparse.Namespace) -> Plan:
    cfg = composed(home(given.project) / "conf", given.settings)
    target = component(section(cfg, "verdict"), Target).requirements()
    folder = given.project / given.metrics
    shares = given.flips or ASSUMED_FLIPS
    if given.accuracy is not None:
        return plan_from_assumptions(given.accuracy, shares, target, given.within)
    if (folder / "fp32.json").is_file():
        return plan_from_pilot(read_metrics(folder), given.project / _timings(cfg), target, given.within)
    return plan_from_assumptions(_validated(folder), shares, target, given.within)


def _timings(cfg: DictConfig) -> str:
    """Where the raw timings of the last run lie; ConfigError where the setting is no path."""
    paths = plain(section(cfg, "paths"))
    check_arguments("paths", paths, Paths)
    return str(paths.get("timings", DEFAULTS["timings"]))


def _validated(folder: Path) -> float:
    """The accuracy on held-out training images, where the model was trained and nothing was measured yet."""
    path = folder / "train.json"
    if not path.is_file():
        raise DataError(
            "there is nothing to plan from",
            received=f"no fp32.json and no train.json in {folder}",
            expected="metrics of a run, which serves as the pilot, or FP32's accuracy",
            fix="give it: `roundoff plan --accuracy 0.92`; or run the pipeline on few images first",
        )
    # What both kinds of train.json have in common stands in the shorter one.
    return stage_from(TakenMetrics, "train", read_json(path)).val_accuracy


def _lines(plan: Plan, words: Words) -> Iterator[str]:
    yield words("plan_target", target=_target(plan.target), accuracy=f"{100 * plan.accuracy:.2f} %")
    yield ""
    yield words("plan_images", power=f"{100 * plan.power:.0f} %")
    yield from _aligned(_image_rows(plan, words))
    yield words("plan_flips_pilot" if plan.available else "plan_flips_assumed")
    if plan.available is not None:
        enough = plan.most_images is not None and plan.most_images <= plan.available
        yield words("plan_enough" if enough else "plan_more", available=f"{plan.available:,}")
    yield ""
    if not plan.speeds:
        yield words("plan_no_timings")
        return
    yield words("plan_seconds", within=f"{100 * plan.within:g} %")
    yield from _aligned(_speed_rows(plan, words))
    if plan.seconds is not None:
        yield words("plan_seconds_all", seconds=f"{plan.seconds:.0f}")


def _target(target: Requirements) -> str:
    names = ("min_relative_accuracy", "max_drop_points", "min_agreement")
    held = {name: getattr(target, name) for name in names}
    return ", ".join(f"verdict.{name}={value:g}" for name, value in held.items() if value is not None)


def _image_rows(plan: Plan, words: Words) -> Rows:
    heads = ("plan_col_cell", "plan_col_regressed", "plan_col_corrected", "plan_col_images", "plan_col_lossless")
    rows: Rows = [tuple(words(head) for head in heads)]
    for each in plan.images:
        shares = (f"{100 * each.regressed:.2f} %", f"{100 * each.corrected:.2f} %")
        counts = (_count(each.expected, words), _count(each.without_loss, words))
        rows.append((each.cell or words("plan_assumed"), *shares, *counts))
    return rows


def _count(images: int | None, words: Words) -> str:
    return words("plan_at_target") if images is None else f"{images:,}"


def _speed_rows(plan: Plan, words: Words) -> Rows:
    heads = ("plan_col_cell", "plan_col_batch", "plan_col_pilot", "plan_col_loads", "plan_col_seconds")
    rows: Rows = [tuple(words(head) for head in heads)]
    for each in plan.speeds:
        pilot = words("plan_pilot", loads=each.pilot_loads, width=f"{100 * each.half_width:.2f} %")
        known = (f"{each.loads:,}", f"{each.seconds:.1f}") if each.loads and each.seconds is not None else ("–", "–")
        rows.append((each.cell, str(each.batch_size), pilot, *known))
    return rows


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns of one width, the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield f"  {first:<{widths[0]}}  {'  '.join(cells)}"

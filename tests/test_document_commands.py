"""Commands in the pages: their settings are conf/'s, their options the command line's, their targets the Makefile's."""

import re
import shlex
from itertools import pairwise

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from roundoff.cli.program import COMMANDS, program
from roundoff.pipeline.composing import composed
from roundoff.pipeline.running import stages_in_order
from tests.support.places import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (\S.*)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
ROUNDOFF = re.compile(r"^(\.venv/bin/roundoff|python3? -m roundoff\.cli) ")
PRECISIONS = sorted(path.stem for path in (ROOT / "conf" / "precision").glob("*.yaml"))
OPEN = re.compile(r"[A-Z]{4,}|…")
"""What stands for something of the reader's, such as NAME, or for more of the same."""


def commands(page):
    """Every command of a page, on one line each."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    prose = FENCE.sub("", text)
    blocks = [line for block in FENCE.findall(text) for line in block.splitlines()]
    for line in [*blocks, *INDENTED.findall(prose), *INLINE.findall(prose)]:
        yield ROUNDOFF.sub("roundoff ", line.strip().removeprefix("$ "))


def beginning_with(start):
    """The commands of all pages that begin so, as parameters that name their page."""
    found = {command: page.name for page in PAGES for command in commands(page) if command.startswith(f"{start} ")}
    return [pytest.param(command, id=f"{name}: {command}") for command, name in found.items()]


def compose_all(settings):
    """Compose with the first values of what is swept, and once for each further value of one of them."""
    values = [values_of(setting) for setting in settings]
    first = [each[0] for each in values]
    composed(ROOT / "conf", first)
    for number, others in enumerate(values):
        for value in others[1:]:
            composed(ROOT / "conf", [*first[:number], value, *first[number + 1 :]])


def values_of(setting):
    """The settings that a sweep makes of this one."""
    override = OverridesParser.create().parse_override(setting)
    if not override.is_sweep_override():
        return [setting]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


@pytest.mark.slow  # composes each
@pytest.mark.parametrize("command", beginning_with("dvc exp run"))
def test_settings_of_an_experiment_are_known(command):
    words = shlex.split(command, comments=True)
    compose_all([word for option, word in pairwise(words) if option == "-S"])


@pytest.mark.slow  # composes each
@pytest.mark.parametrize("command", beginning_with("python"))
def test_settings_of_a_stage_are_known(command):
    _, script, *words = shlex.split(command, comments=True)
    if script.startswith("stages/"):
        assert (ROOT / script).is_file()
        of_plugins = ("hydra/", "hydra.")  # which need not be installed
        compose_all([word for word in words if "=" in word and not word.startswith(of_plugins)])


@pytest.mark.parametrize("command", beginning_with("roundoff"))
def test_options_of_roundoff_are_known(command):
    name, *words = shlex.split(command, comments=True)[1:]
    if name.startswith("--") or name == "COMMAND":
        return
    assert name in {each.__name__.rpartition(".")[2] for each in COMMANDS}
    if not words:  # the command by its name
        return
    given = program().parse_args([name, *words])
    if name == "run" and not OPEN.search(command):
        compose_all([word for word in given.what if "=" in word])
        stages_in_order([word for word in given.what if "=" not in word], PRECISIONS)


@pytest.mark.parametrize("command", beginning_with("make"))
def test_targets_are_the_makefiles(command):
    assert command.split()[1] in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

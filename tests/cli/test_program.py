"""The program as a whole: help, version, completion, and its small commands."""

import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

from roundoff.cli import main
from roundoff.cli.program import COMMANDS, program
from roundoff.results.message import message


def ended(capsys, *arguments):
    """Exit code and output of what ends the program itself."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, capsys.readouterr()


def test_alone_it_prints_help(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(
        f"    {name} " in shown
        for name in ("run", "plan", "report", "check", "diff", "compare", "collect", "ship", "verify", "doctor")
    )
    assert len(COMMANDS) == 10


def test_version(capsys):
    assert ended(capsys, "--version") == (0, (f"roundoff {version('roundoff')}\n", ""))


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_names_commands_and_options(capsys, shell):
    status, shown = ended(capsys, "--print-completion", shell)
    assert status == 0
    assert "doctor" in shown.out
    assert "undecided" in shown.out


def test_bash_completes(capsys):
    _, shown = ended(capsys, "--print-completion", "bash")
    words = "COMP_WORDS=(roundoff che); COMP_CWORD=1; _shtab_roundoff; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"{shown.out}\n{words}"], capture_output=True, text=True)
    assert done.stdout.split() == ["check"]


def test_every_option_says_what_it_is_for():
    subcommands: Any = next(action for action in program()._actions if action.dest == "command").choices
    actions = [action for parser in subcommands.values() for action in parser._actions]
    assert len(actions) > 20
    assert [action.dest for action in actions if not action.help] == []


def test_the_page_of_a_run_is_named_and_opened(tmp_path, capsys, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    assert main(["report", "--project", str(tmp_path)]) == 2
    assert "roundoff run" in capsys.readouterr().err
    page = tmp_path / "metrics/report.html"
    page.parent.mkdir()
    page.write_text("")
    assert main(["report", "--project", str(tmp_path), "--no-open"]) == 0
    assert (capsys.readouterr().out, opened) == (f"{page}\n", [])
    main(["report", "--project", str(tmp_path)])
    assert opened == [page.as_uri()]


def test_the_page_is_only_named_where_nothing_could_show_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("webbrowser.open", lambda page: pytest.fail("opened"))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "report.html").write_text("")
    assert main(["report", "--project", str(tmp_path), "--metrics", "."]) == 0


def test_doctor_says_what_runs_and_what_brings_the_rest(capsys):
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert re.search("✓ onnxruntime +runs here", shown)
    assert "✗ tensorrt  " in shown
    assert re.search(
        r"✗ onnxruntime_cuda +does not run here: (.|\n)*→ pip uninstall -y onnxruntime && pip install", shown
    )
    assert "→ pip install" in shown


def test_doctor_fails_where_no_backend_runs(capsys, monkeypatch):
    monkeypatch.setattr("roundoff.backend.base.library_versions", lambda names: {})
    monkeypatch.setattr("roundoff.backend.onnxrt.backend.find_spec", lambda name: None)
    monkeypatch.setattr("roundoff.backend.trt.backend.cuda.absence", lambda: message("no_visible_cuda_device"))
    assert main(["doctor"]) == 1
    assert "onnxruntime is not installed" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("check", "--project", "/nowhere"), 2)])
def test_without_any_standard_stream_the_exit_code_is_the_same(arguments, code):
    program = "import sys; from roundoff.cli import main; sys.exit(main(sys.argv[1:]))"
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program, *arguments]
    assert subprocess.run(command).returncode == code

"""A stage's death by a signal: who outlives it tells of it, or begins the stage again without the cause."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress

from roundoff.errors import RoundoffError
from roundoff.pipeline.starter import are_there, starters
from roundoff.system import at_work, held_output
from roundoff.system.refusal import refusal_of
from roundoff.system.scratch import emptied, scratch_folder
from roundoff.system.stopping import end_where_stopped

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# si_code of a signal that a terminal sent: to all its processes, so that the stage has it already
FROM_KERNEL = 0x80
PR_SET_PDEATHSIG = 1
LOOK_S = 0.25  # how often whether DVC still runs
TIDY_S = 1.0  # for what is half written to go; the next DVC has not come to a stage by then

# Hydra's words for many jobs: their launcher may look for daemons where temporary files lie for all (Ray's cluster)
SWEEPING = ("-m", "--mult", "hydra.mode=MULTIRUN")

CRASHED = "a library's machine code failed; report it with the lines above"
# of one cell's own making: the stage can begin again without it, but a process whose memory was spoilt may blame others
CRASHES, MOST_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}), 5
CAUSES = {
    signal.SIGKILL: (
        "mostly the system's answer to a lack of memory; give the machine or the container more, or lower "
        "train.batch_size, evaluate.batch_sizes, dataset.size or calibrate.images"
    ),
    signal.SIGILL: (
        "a library ran an instruction that this CPU does not have; set TF_ENABLE_ONEDNN_OPTS=0 in the environment, "
        "under which TensorFlow does without oneDNN's generated code, and run the stage again"
    ),
    signal.SIGBUS: "mostly a full disk or a full /dev/shm under a mapped file; make room and run the stage again",
    signal.SIGSEGV: CRASHED,
    signal.SIGABRT: CRASHED,
    signal.SIGFPE: CRASHED,
}


def surviving(main: Callable[[], object]) -> None:
    """Run `main` in a child process that takes over this one's work, and exit with its code.

    Where a signal ends it, say which and what to try, after what TensorFlow wrote last; the exit code is then 128 plus
    the signal's number. An end at once, as by `os._exit`, is an error whatever its code. SIGINT, SIGTERM and SIGHUP are
    passed on; the child ends when this process is killed, and both when DVC has started them and ends, or a shell
    between. Where a library's machine code failed in work that was named (`at_work`), it begins again without that.
    """
    end_where_stopped()
    open_streams()
    above = starters()
    heard = {signal.SIGCHLD, *PASSED_ON}
    try:
        held_output.held = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - both processes use it to their end
        before = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        came_to_its_end = mmap.mmap(-1, 1)  # both processes' own
        sweeps = any(argument.startswith(SWEEPING) for argument in sys.argv[1:])  # of which no job is to be done twice
        at_work.ledger = None if sweeps else at_work.Ledger()
        scratch = None if sweeps else scratch_folder()
        parent, child = os.getpid(), os.fork()
        while child:
            status, stopped = _waited_for(child, heard, above)
            code = os.waitstatus_to_exitcode(status)
            if stopped or not _is_laid_to_work(code):
                break
            if scratch:
                emptied(scratch)
            child = os.fork()
    except OSError as error:
        sys.exit(f"error: {refusal_of(error) or error}")
    if child == 0:
        die_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            main()
        finally:
            came_to_its_end[0] = 1
        return
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)
    if code < 0 and -code not in PASSED_ON:
        _tell(f"error: {_by_signal(signal.Signals(-code))}")
    if code >= 0 and not came_to_its_end[0]:
        _tell(f"error: {_at_once(code)}")
        sys.exit(code or 1)
    sys.exit(code if code >= 0 else 128 - code)


def _is_laid_to_work(code: int) -> bool:
    """Whether the stage died of a crash in work that has a name; that is then fatal, and a warning says so."""
    ledger = at_work.ledger
    if ledger is None or -code not in CRASHES or len(ledger.fatal) >= MOST_CRASHES:
        return False
    if not ledger.name or ledger.name in ledger.fatal:
        return False
    ledger.fatal[ledger.name] = fatal = signal.Signals(-code)
    _tell(
        f"warning: {ledger.name}: {at_work.EndedByLibrary(fatal)}; the stage begins again and leaves that out "
        f"({CAUSES[fatal]})"
    )
    ledger.name = ""
    return True


def open_streams() -> None:
    """Have the three standard streams lead somewhere, where this process was started without one.

    Else the next file that is opened would get its number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def die_with(parent: int) -> None:
    """Let the system end this process when `parent`, which has started it, ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _waited_for(child: int, heard: set[signal.Signals], above: Sequence[int]) -> tuple[int, bool]:
    """How the child ended, and whether it was to stop."""
    stopped = False
    while not above or are_there(above):
        came = signal.sigtimedwait(heard, LOOK_S) if above else signal.sigwaitinfo(heard)
        if came is None:
            continue
        if came.si_signo != signal.SIGCHLD:
            stopped = True
            if came.si_code != FROM_KERNEL:
                os.kill(child, came.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, stopped
    return _ended_alone(child), True


def _ended_alone(child: int) -> int:
    """End a stage without DVC: who reads what it prints may be gone, too, so nothing is said."""
    os.kill(child, signal.SIGTERM)
    signal.sigtimedwait({signal.SIGCHLD}, TIDY_S)
    os.kill(child, signal.SIGKILL)  # not yet waited for, so that its number is its own
    return os.waitpid(child, 0)[1]


def _tell(words: str) -> None:
    with suppress(OSError):
        sys.stderr.write(held_output.last_words())
        held_output.forget()
    print(words, file=sys.stderr, flush=True)


def _by_signal(fatal: signal.Signals) -> RoundoffError:
    return RoundoffError(
        f"The stage was ended by {fatal.name} ({signal.strsignal(fatal)})",
        received=f"signal {fatal.value}; nothing is half written",
        expected="a stage that ends by itself",
        fix=CAUSES.get(fatal, "find who sent the signal, and run the stage again"),
    )


def _at_once(code: int) -> RoundoffError:
    return RoundoffError(
        "The stage was ended before its work was done",
        received=f"exit code {code}, at once, as by os._exit",
        expected="an exception, where a class of one's own or a library cannot go on",
        fix="find what ends the process among the modules that the configuration names, and raise an exception there",
    )

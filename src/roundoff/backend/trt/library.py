"""Finding TensorRT: which package, whether its libraries load, and where its log goes."""

from __future__ import annotations

import importlib
import logging
import os
import platform
import re
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from roundoff.backend.trt.inspect import LOG_HEADING
from roundoff.errors import BuildError, ConfigError
from roundoff.system.files import whole_file

logger = logging.getLogger(__name__)

INSTALL = {
    "tensorrt": "pip install 'tensorrt>=10.11,<12'",
    "tensorrt_rtx": "pip install tensorrt-rtx",
}
OLDEST = {"tensorrt": (10, 11), "tensorrt_rtx": (1, 4)}
LETTERS = "FEWIV"  # a severity's letter in the log: internal error (fatal), error, warning, info, verbose
ERROR, WARNING, INFO = 1, 2, 3  # places in LETTERS
UNTOLD = 100  # errors that wait to be asked for
LATEST = 5  # messages of any severity
OUT_OF_MEMORY = re.compile(
    r"out.?of.?memory|cudaErrorMemoryAllocation|GPU memory.* could not be allocated|bad_alloc", re.IGNORECASE
)
# TensorRT goes on using the first logger it was given: none may be freed before the process ends.
_LOGS: dict[Any, Any] = {}
_BUILD_LOGS: list[Any] = []


def import_tensorrt(module: str) -> Any:
    """The Python module `tensorrt` or `tensorrt_rtx`; BuildError names the package and the command if it fails."""
    command, reinstall = INSTALL[module], f"{INSTALL[module]} --force-reinstall"
    try:
        trt = importlib.import_module(module)
    except Exception as error:  # of its own libraries anything may come
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            raise _not_usable(
                module, "is not installed", f"no module named {module} in {sys.prefix}", command
            ) from None
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise _not_usable(module, "does not load, or not all of its libraries", words, reinstall) from None
    version = str(getattr(trt, "__version__", "0"))
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST[module]:
        raise _not_usable(module, "is too old", f"version {version}", f"{command} --upgrade")
    return trt


def _not_usable(module: str, problem: str, received: str, fix: str) -> BuildError:
    oldest = ".".join(map(str, OLDEST[module]))
    expected = f"an importable {module}, version {oldest} or later"
    return BuildError(f"Python module {module} {problem}", received=received, expected=expected, fix=fix)


def published_here(module: str) -> bool:
    """Whether NVIDIA publishes the module's packages for this system and processor."""
    systems = {"tensorrt": {"linux": ("x86_64", "aarch64"), "win32": ("AMD64",)}}
    rtx = {"linux": ("x86_64",), "win32": ("AMD64",)}
    return platform.machine() in systems.get(module, rtx).get(sys.platform, ())


def write_cache(path: Path, blob: bytes) -> None:
    """Write a cache file, whole or not at all; where that fails the next run is slower, so it is only a warning."""
    try:
        with whole_file(path) as partial:
            partial.write_bytes(blob)
    except (OSError, ConfigError) as error:
        logger.warning(
            "warning: %s is not kept (%s), so the next run is slower: set the backend's cache to a directory that can "
            "be written",
            path,
            error,
        )


def read_cache(path: Path) -> bytes:
    """A cache file's bytes, which was used now; none where there is none, or where it cannot be read (a warning)."""
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        logger.warning(
            "warning: %s cannot be read (%s), so this run is slower: set the backend's cache to a directory of yours",
            path,
            error,
        )
        return b""
    with suppress(OSError):
        os.utime(path)
    return blob


def prune(directory: Path, pattern: str, days: float = 90.0) -> None:
    """Delete cache files that nobody has used for so long."""
    for path in directory.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > days * 86400:
                path.unlink()


def make_log(trt: Any) -> Any:
    """The logger for loading and running, one for each library: an engine loaded again and again takes no new one."""
    if trt not in _LOGS:
        _LOGS[trt] = _logger(trt, None)
    _LOGS[trt].dismiss()
    return _LOGS[trt]


def make_build_log(trt: Any, path: Path) -> Any:
    """A logger for one build: messages up to INFO go to `path`; `errors`, `warnings` and `layers` hold what came."""
    _BUILD_LOGS.append(_logger(trt, path))
    return _BUILD_LOGS[-1]


class Messages:
    """What TensorRT logs: messages up to INFO go to the file at `path`, if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.layers = ""
        self.untold: deque[str] = deque(maxlen=UNTOLD)
        self.latest: deque[str] = deque(maxlen=LATEST)
        self.raised: BaseException | None = None

    def log(self, severity: Any, message: str) -> None:
        """TensorRT calls this."""
        # what left this method would be lost in TensorRT's C++, Ctrl-C too
        try:
            self._take(int(severity), message)
        except BaseException as error:
            self.raised = self.raised or error

    def _take(self, level: int, message: str) -> None:
        self.latest.append(message.strip())
        if level <= ERROR:
            self.untold.append(message.strip())
        if self.path is not None:
            self._record(self.path, level, message)

    def _record(self, path: Path, level: int, message: str) -> None:
        if level <= ERROR:
            self.errors.append(message.strip())
        elif level == WARNING:
            self.warnings.append(message.strip())
        elif message.startswith(LOG_HEADING):
            self.layers = message
        if level <= INFO:
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{LETTERS[level]} {message}\n")

    def dismiss(self) -> None:
        """The errors so far are dealt with: they are no reason of what comes."""
        self.errors.clear()
        self.untold.clear()

    def raise_again(self) -> None:
        """Raise what interrupted the logging of a message, once."""
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised

    def reason(self) -> str:
        """TensorRT's own words: of the errors since the last time somebody asked the first, or one on memory."""
        new = list(self.untold)
        self.untold.clear()
        return next((words for words in new if OUT_OF_MEMORY.search(words)), (new or ["TensorRT logged no error"])[0])


def _logger(trt: Any, path: Path | None) -> Any:
    class Log(Messages, trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            Messages.__init__(self, path)

    return Log()

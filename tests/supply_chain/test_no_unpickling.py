"""No line unpickles, or runs text as code: neither in src, nor in stages and benchmarks."""

import ast

import pytest

from tests.support.places import ROOT

FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"read_pickle", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"}
SOURCES = [path for room in ("src", "stages", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))]


def offences(text):
    """What in a source would unpickle or execute."""
    tree = ast.parse(text)
    return [why for node in ast.walk(tree) for why in (*_imported(node), *_called(node, text))]


def _imported(node):
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module]
    return [name for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]


def _called(node, text):
    if not isinstance(node, ast.Call):
        return
    called = ast.unparse(node.func)
    said = {word.arg: ast.unparse(word.value) for word in node.keywords}
    method = called.rpartition(".")[2]
    if called in FORBIDDEN_CALLS or method in FORBIDDEN_METHODS:
        yield called
    if said.get("allow_pickle", "False") != "False":
        yield f"{called} with allow_pickle"
    if called == "torch.load" and said.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if method == "load_model" and said.get("safe_mode", "True") != "True":
        yield f"{called} out of safe mode"
    if called in ("yaml.load", "yaml.load_all") and not _is_safe(node, text):
        yield f"{called} without a safe loader"


def _is_safe(node, text):
    loaders = [ast.unparse(each) for each in (*node.args[1:], *(word.value for word in node.keywords))]
    named = [line for line in text.splitlines() if loaders and line.startswith(f"{loaders[0]} = ")]
    return any("SafeLoader" in each for each in (*loaders, *named))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_neither_unpickles_nor_executes(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import cloudpickle as c",
        "eval('1')",
        "exec(text)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=chosen)",
        "np.save(path, array, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "keras.models.load_model(path, safe_mode=False)",
        "yaml.load(text, yaml.Loader)",
        "yaml.load(text, Loader=yaml.UnsafeLoader)",
        "yaml.unsafe_load(text)",
        "pd.read_pickle(path)",
    ],
)
def test_what_would_is_found(line):
    assert offences(line)


@pytest.mark.parametrize(
    "line",
    ["model.eval()", "re.compile('a')", "np.load(path)", "np.load(path, allow_pickle=False)", "yaml.safe_load(t)"],
)
def test_what_would_not_is_left_alone(line):
    assert not offences(line)

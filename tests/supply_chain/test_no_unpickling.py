"""No line unpickles, runs text as code, or imports what data names: neither in src, nor in stages and benchmarks."""

import ast

import pytest

from tests.support.places import ROOT

FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"read_pickle", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"}
BY_NAME = {
    "import_module",
    "resolve_name",
    "run_module",
    "run_path",
    "spec_from_file_location",
    "exec_module",
    "locate",
}
IMPORTERS = {
    "src/roundoff/backend/fingerprint.py": "the package's own backends, by its folders",
    "src/roundoff/backend/torch_compile/backend.py": "torch",
    "src/roundoff/backend/trt/library.py": "TensorRT's module, of a list of two",
    "src/roundoff/pipeline/config/kinds.py": "the package's own kinds of components",
    "src/roundoff/pipeline/config/making.py": "a class that the configuration names, which is trusted",
    "src/roundoff/reference/option_file.py": "the classes of conf/, for the documentation",
    "benchmarks/calibration/peers.py": "libraries of a list, for their versions",
    "benchmarks/commands.py": "a benchmark, by its name on the command line",
    "benchmarks/gpu/cells.py": "the precisions of conf/",
    "benchmarks/hostile/families.py": "a family of inputs, of a list",
    "benchmarks/zoo/train.py": "one of two modules",
}
"""Who may import by a name that is a value, and what: nothing that a file of results, or another's, says."""
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


def imports_by_name(text):
    """Whether a source can import what a value names."""
    nodes = list(ast.walk(ast.parse(text)))
    named = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return bool(BY_NAME & (named | attributes))


def test_only_those_import_by_a_name_that_are_known_to():
    found = {str(path.relative_to(ROOT)) for path in SOURCES if imports_by_name(path.read_text(encoding="utf-8"))}
    assert found == IMPORTERS.keys()


@pytest.mark.parametrize(
    "line",
    [
        "from pkgutil import resolve_name",
        "from importlib import import_module as load",
        "importlib.import_module(data)",
        "pkgutil.resolve_name(sidecar.backend.type)",
        "importlib.util.spec_from_file_location(name, path)",
        "runpy.run_path(path)",
    ],
)
def test_an_import_by_name_is_found(line):
    assert imports_by_name(line)


@pytest.mark.parametrize("line", ["from importlib.util import find_spec", "import importlib", "resolved = name"])
def test_an_import_of_a_library_is_none_by_name(line):
    assert not imports_by_name(line)


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

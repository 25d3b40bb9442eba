"""Who may import whom, read from the sources; and what starting a command costs."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_HEAVY = {"torch", "pytorch_lightning", "lightning", "monai", "torchio"}

_TEXT = {"csv_text", "identity", "table_file"}
_BASE = {"errors", "storage", "machine", "processes", "config", "__version__"} | _TEXT
_MAY_IMPORT = {
    "errors": set(),
    "storage": {"errors", "csv_text"},
    "machine": set(),
    "processes": {"errors", "machine"},
    "csv_text": set(),
    "identity": set(),
    "table_file": {"errors", "csv_text"},
    "config": {"errors", "storage"},
    # checks of a cohort read its images, and images are read for the patients of a cohort.
    "cohort": _BASE | {"imaging"},
    "imaging": _BASE | {"cohort"},
    "simulation": _BASE | {"cohort", "imaging"},
    "data": _BASE | {"cohort", "imaging"},
    "models": _BASE | {"cohort", "imaging", "data"},
    "evaluation": _BASE | {"cohort"},
    "training": _BASE | {"cohort", "imaging", "data", "models", "evaluation"},
    "deploy": _BASE | {"cohort", "imaging", "data", "models", "evaluation"},
}
"""Package or base module to what it may import; modules beside the packages tie all together."""

_TIES = {
    "__init__",
    "cli",
    "guard",
    "public",
    "console",
    "pipeline",
    "judging",
    "run_directory",
    "example_pictures",
}


def _module(path):
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


_SOURCES = {_module(path): path for path in sorted((_ROOT / "pcrnet").rglob("*.py"))}


def _type_checking_only(tree):
    """Nodes that are read by type checkers alone."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }


def _imports(module):
    """Every module that ``module`` imports, inside functions as well."""
    tree = ast.parse(_SOURCES[module].read_text(encoding="utf-8"))
    skipped = _type_checking_only(tree)
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import"
            found |= {
                name if (name := f"{node.module}.{alias.name}") in _SOURCES else node.module
                for alias in node.names
            }
            if node.module == "pcrnet":
                found |= {f"pcrnet.{alias.name}" for alias in node.names}
    return found


def _top_imports(module):
    """What importing ``module`` imports at once."""
    tree = ast.parse(_SOURCES[module].read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                name if (name := f"{node.module}.{alias.name}") in _SOURCES else node.module
                for alias in node.names
            }
    return found & set(_SOURCES)


def _room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("room", sorted(_MAY_IMPORT))
def test_a_room_imports_only_what_lies_below_it(room):
    for module in (name for name in _SOURCES if _room(name) == room):
        above = {
            name
            for name in _imports(module)
            if name.startswith("pcrnet.") and _room(name) not in _MAY_IMPORT[room] | {room}
        }
        assert not above, f"{module} imports {sorted(above)}"


def test_every_module_has_its_place_in_the_order():
    assert {_room(module) for module in _SOURCES} <= set(_MAY_IMPORT) | _TIES


def test_evaluation_takes_only_the_outcome_from_the_cohort():
    for module in (name for name in _SOURCES if _room(name) == "evaluation"):
        taken = {name for name in _imports(module) if name.startswith("pcrnet.cohort")}
        assert taken <= {"pcrnet.cohort.outcome"}, module


def test_deployment_takes_only_calibration_and_the_predictions_contract_from_evaluation():
    allowed = {"pcrnet.decision.calibrators", "pcrnet.evaluation.predictions"}
    for module in (name for name in _SOURCES if _room(name) == "deploy"):
        taken = {name for name in _imports(module) if name.startswith("pcrnet.evaluation")}
        assert taken <= allowed, module


@pytest.mark.parametrize(
    "room",
    [
        "cohort",
        "config",
        "csv_text",
        "errors",
        "evaluation",
        "identity",
        "imaging",
        "machine",
        "processes",
        "table_file",
        "simulation",
        "storage",
    ],
)
def test_a_room_without_a_network_imports_no_deep_learning(room):
    for module in (name for name in _SOURCES if _room(name) == room):
        assert not {name.partition(".")[0] for name in _imports(module)} & _HEAVY, module


def test_no_modules_import_each_other_in_a_circle():
    # static_order raises CycleError, which names the circle.
    assert list(TopologicalSorter({name: _top_imports(name) for name in _SOURCES}).static_order())


def test_packages_are_nearly_empty():
    for module, path in _SOURCES.items():
        if path.name == "__init__.py" and module != "pcrnet":
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 10, module


@pytest.mark.parametrize("modules", ["pcrnet.cli", "every module of pcrnet.evaluation"])
def test_importing_it_loads_no_deep_learning(modules):
    names = (
        [name for name in _SOURCES if _room(name) == "evaluation"]
        if modules.startswith("every")
        else [modules]
    )
    program = (
        "import sys, importlib\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted({_HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout.strip() == "[]"

"""Who may import whom, read from the sources; and what starting a command costs."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_HEAVY = {"torch", "pytorch_lightning", "lightning", "monai", "torchio"}

_FLOORS = (
    "errors machine csv_text identity drafts __version__",
    "storage processes table_file run_layout source_code extras",
    "disk_room",
    "config cohort",
    "imaging evaluation",
    "importers review simulation data decision",
    "models",
    "applicability",
    "training deploy",
    "doctor monitoring explain",
    "run serve",
    "sweeps",
    "public guard",
    "commands",
    "cli",
)
"""Packages, and modules beside them, from the ground up: each imports from the floors below it."""

_FLOORS_WITHIN = {
    "commands": ("bundles data training", "judging"),
    "imaging": (
        "voxels",
        "nifti registration",
        "dicom",
        "pet mr lesion",
        "quantify facts",
        "tensors",
    ),
    "imaging.quantify": ("measures",),
    "evaluation": ("statistics", "population tables trial", "report"),
    "evaluation.statistics": ("calibration", "comparison"),
    "deploy": ("prediction", "dicom export"),
    "deploy.export": ("decision", "formats"),
    "models": ("encoders rivals", "dual_branch"),
    "simulation": ("pattern",),
    "training": ("lightning trackers", "demands"),
    "sweeps": ("plan", "folder", "proposals", "engines report"),
}
"""Sub-packages in the same way. Modules beside them stand where their imports put them."""

_MOST = 15
"""Modules that stand side by side in one folder: more are several subjects, each with a room."""

_WITHOUT_A_NETWORK = [
    room for room in " ".join(_FLOORS[:5]).split() if room not in {"data", "__version__"}
]  # a data loader is one of torch's


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


def _level(floors, room):
    """Number of a room's floor; what has none, such as the public door, is above them all."""
    return next((level for level, rooms in enumerate(floors) if room in rooms.split()), len(floors))


def _within(package):
    """The modules of a package, those of its sub-packages too."""
    return [n for n in _SOURCES if f"{n}.".startswith(f"pcrnet.{package}.")]


def _room_within(module, package):
    """In imaging, ``pcrnet.imaging.pet.suv`` is ``pet``, ``pcrnet.imaging.grid`` is ``grid``."""
    inner = module.removeprefix(f"pcrnet.{package}").split(".")
    return inner[1] if len(inner) > 1 else "__init__"


def _sub_packages(package):
    folder = _ROOT.joinpath("pcrnet", *package.split("."))
    return {path.parent.name for path in folder.glob("*/__init__.py")}


_PACKAGES = sorted(
    ".".join(path.parent.relative_to(_ROOT / "pcrnet").parts)
    for path in (_ROOT / "pcrnet").rglob("*/__init__.py")
)


@pytest.mark.parametrize("room", " ".join(_FLOORS).replace("__version__", "").split())
def test_a_room_imports_only_what_lies_below_it(room):
    for module in (name for name in _SOURCES if _room(name) == room):
        for name in _imports(module):
            if name.startswith("pcrnet.") and _room(name) != room:
                assert _level(_FLOORS, _room(name)) < _level(_FLOORS, room), (
                    f"{module} imports {name}"
                )


def test_every_module_has_its_place_in_the_order():
    assert {_room(module) for module in _SOURCES} <= {"__init__", *" ".join(_FLOORS).split()}


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_sub_package_imports_only_sub_packages_below_it(package):
    floors = _FLOORS_WITHIN.get(package, ())
    inside = _sub_packages(package)
    assert inside == set(" ".join(floors).split())
    for module in _within(package):
        here = _room_within(module, package)
        for name in set(_imports(module)) & set(_within(package)):
            there = _room_within(name, package)
            if {here, there} <= inside and here != there:
                assert _level(floors, there) < _level(floors, here), f"{module} imports {name}"


@pytest.mark.parametrize("package", _PACKAGES)
def test_the_rooms_within_a_package_import_each_other_in_no_circle(package):
    above = {}
    for module in _within(package):
        here = _room_within(module, package)
        above.setdefault(here, set()).update(
            _room_within(name, package) for name in set(_imports(module)) & set(_within(package))
        )
        above[here].discard(here)
    above.pop("__init__", None)  # a door to what lies inside
    assert set(TopologicalSorter(above).static_order()) >= set(above)


@pytest.mark.parametrize("root", ["pcrnet", "tests"])
def test_no_folder_holds_more_modules_than_one_subject_needs(root):
    held = {}
    for path in (_ROOT / root).rglob("*.py"):
        if path.name not in {"__init__.py", "conftest.py"}:
            held.setdefault(path.parent.relative_to(_ROOT).as_posix(), []).append(path.name)
    assert not {folder: len(names) for folder, names in held.items() if len(names) > _MOST}


def test_no_module_is_longer_than_its_reader_can_keep_in_mind():
    lines = {
        path.relative_to(_ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in (_ROOT / "pcrnet").rglob("*.py")
    }
    assert not {name: count for name, count in lines.items() if count >= 400}


def test_evaluation_takes_only_the_outcome_from_the_cohort():
    for module in (name for name in _SOURCES if _room(name) == "evaluation"):
        taken = {name for name in _imports(module) if name.startswith("pcrnet.cohort")}
        assert taken <= {"pcrnet.cohort.outcome"}, module


def test_deployment_takes_only_calibration_and_the_predictions_contract_from_evaluation():
    allowed = {"pcrnet.decision.calibrators", "pcrnet.evaluation.tables.predictions"}
    for module in (name for name in _SOURCES if _room(name) == "deploy"):
        taken = {name for name in _imports(module) if name.startswith("pcrnet.evaluation")}
        assert taken <= allowed, module


@pytest.mark.parametrize("room", _WITHOUT_A_NETWORK)
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


def test_a_public_name_means_one_thing():
    meanings = {}
    for module, path in _SOURCES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                meanings.setdefault(node.name, {})[module] = module
            elif isinstance(node, ast.Assign):  # a type by another name
                for name in (each.id for each in node.targets if isinstance(each, ast.Name)):
                    if name[0].isupper() and not name.isupper():
                        meaning = ast.unparse(node.value).replace("npt.", "")
                        meanings.setdefault(name, {})[meaning] = module
    assert not {
        name: sorted(of.values())
        for name, of in meanings.items()
        if len(of) > 1 and not name.startswith("_")
    }


@pytest.mark.parametrize("room", ["cli", "decision", "evaluation"])
def test_importing_it_loads_no_deep_learning(room):
    names = [name for name in _SOURCES if _room(name) == room]
    program = (
        "import sys, importlib\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted({_HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout.strip() == "[]"


def test_naming_the_commands_imports_none_of_what_they_need():
    """``pcrnet --help`` waits for it; numpy and scipy alone take as long as all the rest."""
    program = (
        "import sys, pcrnet.cli\n"
        "print(sorted({'numpy', 'scipy', 'matplotlib', 'SimpleITK'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout.strip() == "[]"

"""The arrows of the house: who may import whom. The list below is the order in which core reads, top to bottom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CORE, PAGES = REPOSITORY / "core", REPOSITORY / "pages"

ORDER = (
    "arithmetic blas numerals advice formats notes dataset places downloads datasets network criteria spectra lowrank "
    "shrinkage chance paired verdicts statistics cards queues masks overlap timetable spec collapse recipe events snapshot "
    "layout log store standing branching products step penalty series training cut gates experiment crew stacks cluster "
    "sweep tables grid atlas shelf scene stage strength equivalence film penalised surveys contest factors scoreboard "
    "retraining pieces claims results study comparisons agreement judgement ladder concordance example steering "
    "fingerprints worker processes forkserver job turns jobs figures"
).split()
# The only files that import torch, and those that import them.
TRAINS = {
    "products",
    "step",
    "penalty",
    "series",
    "training",
    "cut",
    "experiment",
    "stacks",
    "surveys",
    "retraining",
    "pieces",
}
COMMANDS = {"claims", "example", "fingerprints", "forkserver"}  # run by hand as `python -m core.…`, imported by nothing
WITHOUT_TORCH = [name for name in ORDER if name not in TRAINS | COMMANDS]


def imports(file: Path, top_level_only=False) -> set[str]:
    """Dotted names that the file imports; `from core import masks` counts as core.masks."""
    tree = ast.parse(file.read_text("utf-8"), str(file))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} uses a relative import"
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def core_files() -> list[Path]:
    return sorted(file for file in CORE.rglob("*.py") if file.name != "__init__.py")


def of_the_interface() -> list[Path]:
    return [file for file in (REPOSITORY / "app.py", *sorted(PAGES.rglob("*.py"))) if file.is_file()]


def test_every_core_file_has_its_place_in_the_order():
    missing = [file.name for file in core_files() if file.stem not in ORDER]
    assert not missing, f"{missing}: write them into ORDER in {Path(__file__).name}, where they belong"
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("file", core_files(), ids=lambda file: file.stem)
def test_core_imports_only_from_above_and_never_streamlit(file):
    names = imports(file)
    assert not {name for name in names if name.split(".")[0] in ("streamlit", "pages", "app", "tests", "bench")}
    if file.stem in ORDER:
        above = ORDER[: ORDER.index(file.stem)]
        used = {name.split(".")[1] for name in names if name.startswith("core.")}
        assert not {name for name in used if name in ORDER and name not in above}, f"{file.stem} imports from below"


@pytest.mark.parametrize("file", [f for f in core_files() if f.stem in WITHOUT_TORCH], ids=lambda file: file.stem)
def test_what_the_interface_uses_imports_no_torch_at_import_time(file):
    used = imports(file, top_level_only=True)
    assert not {name for name in used if name.split(".")[0] == "torch"}
    assert not {name for name in used if name.startswith("core.") and name.split(".")[1] in TRAINS | COMMANDS}


def test_importing_all_that_the_interface_uses_leaves_torch_out():
    modules = [f"core.{name}" for name in WITHOUT_TORCH if (CORE / f"{name}.py").is_file()]
    code = f"import sys, {', '.join(modules)}; print([m for m in ('torch', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_nothing_imports_a_command():
    users = [f for f in (*core_files(), *of_the_interface()) if imports(f) & {f"core.{name}" for name in COMMANDS}]
    assert not users


def test_only_training_and_experiment_import_torch():
    users = {f.stem for f in core_files() if any(name.split(".")[0] == "torch" for name in imports(f))}
    assert users <= TRAINS


@pytest.mark.parametrize("file", of_the_interface(), ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_pages_import_neither_numpy_nor_torch(file):
    heavy = {name for name in imports(file) if name.split(".")[0] in ("numpy", "torch", "scipy", "sklearn", "joblib")}
    assert not heavy


def test_no_page_lies_directly_inside_pages():
    assert not list(PAGES.glob("*.py")), "Streamlit takes pages/*.py for its own: put the file one folder deeper"


def test_every_core_file_says_what_it_is():
    assert not [file.name for file in core_files() if not ast.get_docstring(ast.parse(file.read_text("utf-8")))]

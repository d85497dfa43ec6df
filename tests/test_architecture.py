"""The arrows of the house: who may import whom. The list below is the order in which core reads, top to bottom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CORE, PAGES = REPOSITORY / "core", REPOSITORY / "pages"

ORDER = (
    "arithmetic blas numerals datasets.advice datasets.formats datasets.notes datasets.dataset datasets.places "
    "datasets.downloads datasets network criteria spectra lowrank claims.shrinkage masks.chance statistics.paired "
    "claims.verdicts statistics judge.cards masks.queues masks masks.overlap masks.timetable spec collapse recipe events "
    "store.snapshot experiment.layout store.log store claims.standing store.branching experiment.products experiment.step "
    "experiment.penalty experiment.series experiment.training experiment.cut gates experiment sweep.crew sweep.stacks "
    "sweep.cluster sweep publish.tables atlas.grid atlas atlas.shelf views.scene views.stage claims.strength "
    "claims.equivalence claims.film views.penalised atlas.surveys claims.contest claims.factors views.scoreboard "
    "claims.retraining claims.pieces publish.claims judge.results judge.study claims.comparisons claims.agreement "
    "views.judgement views.ladder views.concordance publish.example jobs.steering publish.fingerprints jobs.worker "
    "jobs.processes jobs.forkserver jobs.job jobs.turns jobs views.figures"
).split()
# The only files that import torch, and those that import them.
TRAINS = {"sweep.stacks", "atlas.surveys", "claims.retraining", "claims.pieces"} | {
    name for name in ORDER if name.split(".")[0] == "experiment"
}
# Run by hand as `python -m core.…`, imported by nothing but their doors.
COMMANDS = {"publish.claims", "publish.example", "publish.fingerprints", "jobs.forkserver"}
DOORS = {"agreement", "example", "fingerprints", "results", "tables", "claims.__main__", "sweep.__main__"}
WITHOUT_TORCH = [name for name in ORDER if name not in TRAINS | COMMANDS]


def imports(file: Path, top_level_only=False) -> set[str]:
    """Dotted names that the file imports; `from core import masks` counts as core.masks, and not as core."""
    tree = ast.parse(file.read_text("utf-8"), str(file))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} uses a relative import"
            inside = {f"{node.module}.{name.name}" for name in node.names}
            modules = {name for name in inside if is_module(name)}
            found |= modules | ({node.module} if len(modules) < len(inside) else set())
    return found


def is_module(name: str) -> bool:
    place = REPOSITORY.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def module(file: Path) -> str:
    """Its dotted name below core."""
    parts = file.relative_to(CORE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def used(file: Path, top_level_only=False) -> set[str]:
    """The modules of core that a file imports; a package's own name stands for its __init__."""
    below = {name.removeprefix("core.") for name in imports(file, top_level_only) if name.startswith("core.")}
    return {name for name in below if name in MODULES}


def core_files() -> list[Path]:
    return sorted(file for file in CORE.rglob("*.py") if file.parent != CORE or file.name != "__init__.py")


MODULES = {module(file): file for file in core_files()}
EMPTY = {name for name, file in MODULES.items() if not imports(file)}  # a room's docstring


def of_the_interface() -> list[Path]:
    return [file for file in (REPOSITORY / "app.py", *sorted(PAGES.rglob("*.py"))) if file.is_file()]


def test_every_core_file_has_its_place_in_the_order():
    missing = sorted(MODULES.keys() - set(ORDER) - DOORS - EMPTY)
    assert not missing, f"{missing}: write them into ORDER in {Path(__file__).name}, where they belong"
    assert len(ORDER) == len(set(ORDER)) and set(ORDER) <= MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_core_imports_only_from_above_and_never_streamlit(name):
    names = imports(MODULES[name])
    assert not {one for one in names if one.split(".")[0] in ("streamlit", "pages", "app", "tests", "bench")}
    if name in ORDER:
        above = {*ORDER[: ORDER.index(name)], *EMPTY, name}
        assert not used(MODULES[name]) - above, f"{name} imports from below"


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_what_the_interface_uses_imports_no_torch_at_import_time(name):
    assert not {one for one in imports(MODULES[name], top_level_only=True) if one.split(".")[0] == "torch"}
    assert not used(MODULES[name], top_level_only=True) & (TRAINS | COMMANDS)


def test_importing_all_that_the_interface_uses_leaves_torch_out():
    modules = [f"core.{name}" for name in WITHOUT_TORCH]
    code = f"import sys, {', '.join(modules)}; print([m for m in ('torch', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_nothing_imports_a_command():
    users = [file for name, file in MODULES.items() if name not in DOORS and used(file) & (COMMANDS | DOORS)]
    users += [file for file in of_the_interface() if used(file) & (COMMANDS | DOORS)]
    assert not users


def test_only_training_and_experiment_import_torch():
    users = {name for name, file in MODULES.items() if any(one.split(".")[0] == "torch" for one in imports(file))}
    assert users <= TRAINS


@pytest.mark.parametrize("file", of_the_interface(), ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_pages_import_neither_numpy_nor_torch(file):
    heavy = {name for name in imports(file) if name.split(".")[0] in ("numpy", "torch", "scipy", "sklearn", "joblib")}
    assert not heavy


def test_no_page_lies_directly_inside_pages():
    assert not list(PAGES.glob("*.py")), "Streamlit takes pages/*.py for its own: put the file one folder deeper"


def test_every_core_file_says_what_it_is():
    assert not [name for name, file in MODULES.items() if not ast.get_docstring(ast.parse(file.read_text("utf-8")))]

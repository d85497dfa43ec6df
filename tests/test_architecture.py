"""The arrows of the house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CORE, PAGES = REPOSITORY / "core", REPOSITORY / "pages"

# The rooms of core/ and the single files beside them, from the ground up, each with what it may import. Nothing imports from
# a line below its own, so there is no circle; inside a room files may import as they like, without circles.
ARROWS = """
arithmetic:
blas:
numerals:
rules: numerals
datasets:
network: blas
statistics: arithmetic
spectra: blas
lowrank:
criteria: network
events: network spectra
masks: network spectra
spec: arithmetic criteria datasets masks numerals rules
collapse: blas network spec
recipe: spec
store: arithmetic datasets events network recipe spec spectra
artifacts: datasets store
gates:
experiment: arithmetic blas collapse criteria datasets events gates masks network recipe spec spectra store
sweep: datasets events experiment spec store
atlas: artifacts criteria datasets experiment lowrank masks network recipe spec spectra store
claims: arithmetic artifacts atlas collapse criteria datasets events experiment lowrank masks network spec spectra statistics store sweep
judge: arithmetic artifacts claims collapse criteria datasets spec spectra statistics store sweep
views: atlas claims collapse criteria datasets judge masks network recipe spec spectra statistics store
jobs: artifacts claims datasets events experiment gates judge spec store
publish: arithmetic artifacts atlas claims collapse criteria datasets events experiment judge network spec spectra store sweep views
"""  # noqa: E501
MAY = {line.split(":")[0]: line.split(":")[1].split() for line in ARROWS.strip().splitlines()}
# The only files that import torch, and those that import them.
TRAINS = {"sweep.stacks", "atlas.surveys", "claims.retraining"}
# What lends a command of a room its short name, `python -m core.…`.
DOORS = {"agreement", "example", "fingerprints", "results", "tables", "claims.__main__", "sweep.__main__"}


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
INSIDE = [name for name in MODULES if name not in DOORS]


def room(name: str) -> str:
    return name.split(".")[0]


def trains(name: str) -> bool:
    return room(name) == "experiment" or name in TRAINS


def is_command(name: str) -> bool:
    """Run by hand or as a process, imported by nothing but its door and its like."""
    return room(name) == "publish" or name == "jobs.forkserver"


WITHOUT_TORCH = [name for name in INSIDE if not trains(name) and not is_command(name)]


def of_the_interface() -> list[Path]:
    return [file for file in (REPOSITORY / "app.py", *sorted(PAGES.rglob("*.py"))) if file.is_file()]


def test_the_page_on_the_house_has_the_same_list():
    assert f"```{ARROWS}```" in (REPOSITORY / "docs" / "house.md").read_text("utf-8")


def test_every_arrow_leads_upwards():
    lines = list(MAY)
    assert {room(name) for name in INSIDE} == set(lines), f"write the room into ARROWS in {Path(__file__).name}"
    below = [
        f"{one} → {other}" for one, others in MAY.items() for other in others if other not in lines[: lines.index(one)]
    ]
    assert not below


@pytest.mark.parametrize("one", MAY)
def test_a_room_imports_what_its_line_says_and_no_line_says_too_much(one):
    found = {room(other) for name in INSIDE if room(name) == one for other in used(MODULES[name])} - {one}
    assert found == set(MAY[one])


@pytest.mark.parametrize("one", MAY)
def test_there_is_no_circle_between_the_files_of_a_room(one):
    left = {
        name: {other for other in used(MODULES[name]) if room(other) == one} for name in INSIDE if room(name) == one
    }
    while free := [name for name, others in left.items() if not others - {name} & left.keys()]:
        for name in free:
            del left[name]
        left = {name: others & left.keys() for name, others in left.items()}
    assert not left


@pytest.mark.parametrize("name", MODULES)
def test_core_never_imports_what_is_built_on_it(name):
    assert not {
        one for one in imports(MODULES[name]) if one.split(".")[0] in ("streamlit", "pages", "app", "tests", "bench")
    }


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_what_the_interface_uses_imports_no_torch_at_import_time(name):
    assert not {one for one in imports(MODULES[name], top_level_only=True) if one.split(".")[0] == "torch"}
    assert not [one for one in used(MODULES[name], top_level_only=True) if trains(one) or is_command(one)]


def test_importing_all_that_the_interface_uses_leaves_torch_out():
    modules = [f"core.{name}" for name in WITHOUT_TORCH]
    code = f"import sys, {', '.join(modules)}; print([m for m in ('torch', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=250)
    assert done.stdout.strip() == "[]", done.stderr


def test_nothing_imports_a_command():
    files = {name: MODULES[name] for name in INSIDE if not is_command(name)} | {
        file: file for file in of_the_interface()
    }
    assert not [name for name, file in files.items() if any(is_command(one) or one in DOORS for one in used(file))]


def test_only_training_and_experiment_import_torch():
    assert all(trains(name) for name, file in MODULES.items() if any(room(one) == "torch" for one in imports(file)))


@pytest.mark.parametrize("file", of_the_interface(), ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_pages_import_neither_numpy_nor_torch(file):
    heavy = {name for name in imports(file) if name.split(".")[0] in ("numpy", "torch", "scipy", "sklearn", "joblib")}
    assert not heavy


def test_no_page_lies_directly_inside_pages():
    assert not list(PAGES.glob("*.py")), "Streamlit takes pages/*.py for its own: put the file one folder deeper"


def test_every_core_file_says_what_it_is():
    assert not [name for name, file in MODULES.items() if not ast.get_docstring(ast.parse(file.read_text("utf-8")))]

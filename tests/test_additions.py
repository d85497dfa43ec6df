"""What README says of adding: done word for word on a copy of the checkout, and the tests that look at all of a kind hold."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from test_readme import REPOSITORY, block

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "cache", "__pycache__", ".pytest_cache", ".ruff_cache", "bench.csv")
OF_CRITERIA = ["test_criteria.py", "test_masks.py", "test_architecture.py", "test_spec.py", "test_readme.py"]
OF_CRITERIA += ["test_arithmetic.py::test_the_table_has_every_run_and_what_is_derived_from_one"]
OF_CRITERIA += ["test_slider_page.py::test_every_criterion_is_in_the_menu_with_its_help"]
OF_DATA = [
    "test_datasets.py",
    "test_places.py",
    "test_notes.py",
    "test_spec.py",
    "test_readme.py",
    "test_architecture.py",
]
OF_DATA += ["test_pages.py::test_a_page_opens_with_nothing_stored"]


OF_MODELS = ["test_shrinkage.py", "test_verdicts.py", "test_equivalence.py", "test_penalised.py", "test_readme.py"]
OF_MODELS += ["test_penalty_page.py", "test_standing.py"]


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(REPOSITORY, tmp_path / "copy", ignore=LEFT_OUT)
    return tmp_path / "copy"


def holds(copy, tests) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "PRUNING_"))
    }
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "not browser", *(f"tests/{one}" for one in tests)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def before(file, place: str, text: str) -> None:
    source = file.read_text("utf-8")
    found = re.search(place, source, re.M)
    file.write_text(f"{source[: found.start()]}{text}\n\n{source[found.start() :]}", "utf-8")


def test_a_criterion_is_one_function_in_one_file(copy):
    file = copy / "core" / "criteria.py"
    file.write_text(f"{file.read_text('utf-8')}\n\n{block('@criterion')}", "utf-8")
    holds(copy, OF_CRITERIA)


def test_a_model_of_a_cut_is_one_function_in_one_file(copy):
    before(copy / "core" / "claims" / "spectral_models.py", r"^# -- What they leave", block("@model"))
    holds(copy, OF_MODELS)


def test_a_data_set_is_one_function_in_one_file(copy):
    before(copy / "core" / "datasets" / "__init__.py", r"^# -+ What others ask", block("@register"))
    holds(copy, OF_DATA)

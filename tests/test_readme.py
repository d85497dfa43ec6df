"""README's recipes and its example are run; its commands are what `.ci/run` runs."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import criteria, datasets
from core.criteria import Evidence
from core.network import Network

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


def block(start: str) -> str:
    found = [text for text in BLOCKS if start in text]
    assert len(found) == 1
    return found[0]


def test_it_can_be_read_in_a_minute_or_two():
    assert README.count("\n") <= 150


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_every_page_leads_to_what_is_there_and_says_whom_it_is_for(page):
    text = page.read_text("utf-8")
    for place in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / place).is_file(), f"{page.name} leads to {place}"
    assert page.name == "README.md" or re.match(r"# .*\n\nFor whoever ", text)


def test_there_are_exactly_two_set_up_commands_and_ci_takes_the_second():
    commands = re.findall(r"^    (python3 -m venv .*)$", README, flags=re.M)
    assert len(commands) == 2
    assert commands[0].endswith("streamlit run app.py")
    assert commands[1].endswith("-m pytest")


def test_the_criterion_recipe_works_as_it_stands(monkeypatch):
    monkeypatch.setattr(criteria, "_REGISTRY", dict(criteria._REGISTRY))
    exec(compile(block("@criterion"), "README.md", "exec"), vars(criteria).copy())
    rng = np.random.default_rng(0)
    sizes = [4, 3, 2, 2]
    weights = [rng.normal(size=shape) for shape in zip(sizes[1:], sizes, strict=False)]
    network = Network(weights, [np.zeros(units) for units in sizes[1:]])
    scores = criteria.scores("fan-out", Evidence(network, [np.zeros(3), np.zeros(2)], 0))
    assert [score.shape for score in scores] == [(3,), (2,)]
    assert "nobody listens" in criteria.get("fan-out").help


def test_the_data_set_recipe_works_as_it_stands(monkeypatch):
    monkeypatch.setattr(datasets, "_entries", dict(datasets._entries))
    exec(compile(block("@register"), "README.md", "exec"), vars(datasets).copy())
    data = datasets.load("two-moons")
    assert data.x_train.shape == (720, 2) and data.class_names == ("left", "right")
    assert "two-moons" in datasets.names()


def test_the_example_without_pages_runs():
    done = subprocess.run(
        [sys.executable, "-c", block("experiment.run")], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "EpochEnded" in done.stdout and "epoch limit reached" in done.stdout


@pytest.mark.parametrize("variable", re.findall(r"^\| `(PRUNING_\w+)`", README, flags=re.M))
def test_every_variable_named_is_read_somewhere(variable):
    sources = [file.read_text("utf-8") for file in (REPOSITORY / "core").rglob("*.py")]
    sources += [file.read_text("utf-8") for file in (REPOSITORY / "pages").rglob("*.py")]
    assert any(f'"{variable}"' in source for source in sources)

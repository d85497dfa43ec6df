"""Data files that people bring, spoiled in one way or many, and a hand that does to them what a refusal's sentence says."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import datasets
from core.datasets.formats import FIELDS

STEPS = 8  # refusals in a row that a person would put up with


@dataclass
class File:
    """A data file: what it holds, and, for advice that no code can give, the arrays as they were before they were spoiled."""

    path: Path
    arrays: dict
    before: dict

    def save(self) -> None:
        np.savez(self.path, **self.arrays)

    def follow(self, sentence: str) -> None:
        """Does what the sentence says: its code where it has some, else, with the arrays as they were, what its words say."""
        codes = re.findall(r"`([^`]+)`", sentence)
        for code in codes:
            if code.startswith("chmod"):
                subprocess.run(code, shell=True, cwd=self.path.parent, check=True)
                return
            scope = {"numpy": np, "name": self.path, **self.arrays}
            exec(code, scope)
            if "savez" in code:
                return
            self.arrays |= {field: scope[field] for field in self.arrays}
        if not codes:
            self.by_hand(sentence)
        self.save()

    def by_hand(self, sentence: str) -> None:
        """Advice in words: what a person would do who has the images that the file was made of."""
        ways = {
            "copy or download it again": FIELDS,
            "save both from the same rows": FIELDS,
            "save examples of every class": FIELDS,
            "save more of them": FIELDS,
            "save how bright each pixel is": ("x_train", "x_test"),
            "scale or crop the test images": ("x_train", "x_test"),
            "save one row an image": ("x_train", "x_test"),
            "save one class number an image": ("y_train", "y_test"),
            "number the classes": ("y_train", "y_test"),
        }
        fields = next(fields for words, fields in ways.items() if words in sentence)
        self.arrays |= {field: self.before[field] for field in fields}


def accepted(file: File) -> tuple[datasets.Dataset, list[str]]:
    """The data set once every refusal has been followed, and the refusals."""
    file.save()
    sentences: list[str] = []
    while len(sentences) < STEPS:
        try:
            return datasets.load(file.path.stem), sentences
        except ValueError as refusal:
            sentences.append(str(refusal))
            file.follow(sentences[-1])
    raise AssertionError(f"refused again and again: {sentences}")

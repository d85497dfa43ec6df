"""What a person should know of a data set that is taken as it is: classes and images that are missing, whose share is large.

Nothing here changes the data or refuses it: stored runs keep their keys. What cannot be trained at all refuses core/formats.
"""

from dataclasses import dataclass

import numpy as np

from core.datasets import advice
from core.datasets.formats import Examples

CONTRAST = 0.2  # of the range 0..1: pictures that use less of it hardly train at the usual rates
APART = 4.0  # times the spread of the training images: the test images are on another scale
SIGMAS, SLACK = 5.0, 3.0  # how far the count of a class in validation may be from its share of the file
NAMED = 5  # classes that are named one by one


@dataclass(frozen=True)
class Notes:
    """`text`: one sentence without its full stop, "" where all is as it should be; `advice`: what to do, "" for nothing.

    `majority` is the most frequent class of the images that train and `share` how many of them are of it, 0..1: an accuracy of
    as much needs no network.
    """

    text: str
    advice: str
    majority: str
    share: float

    def of_target(self, target: float) -> str:
        """Why a training accuracy of `target` proves nothing, "" where it may."""
        if target > self.share:
            return ""
        return f"{percent(self.share)} of the training images are {self.majority}: a target of {percent(target)} proves nothing"


def of(examples: Examples, class_names: tuple[str, ...], target: float) -> Notes:
    """The notes on a data set whose first 10 % validate; `target` is the training accuracy it is trained to, 0..1."""
    counts = _Counts(examples, len(class_names))
    training = counts.training
    majority = int(training.argmax())
    plain = Notes("", "", class_names[majority], float(training[majority] / training.sum()))
    said = [*_of_gaps(counts, class_names), *_of_split(counts, examples, class_names)]
    said += [*_of_majority(counts, class_names), (plain.of_target(target), ""), *_of_pixels(examples)]
    texts = [text for text, _ in said if text]
    advices = dict.fromkeys(text for _, text in said if text)
    return Notes("; ".join(texts), ". ".join(advices), plain.majority, plain.share)


class _Counts:
    """Images per class: of the whole training file, of what trains, of what validates, and of the test file."""

    def __init__(self, examples: Examples, classes: int):
        labels, cut = examples.y_train, len(examples.y_train) // 10
        self.file, self.validation, self.training, self.test = (
            np.bincount(part, minlength=classes) for part in (labels, labels[:cut], labels[cut:], examples.y_test)
        )


Said = list[tuple[str, str]]  # what is so, and what to do


def _of_gaps(counts: _Counts, names: tuple[str, ...]) -> Said:
    said = []
    absent = (counts.file == 0) & (counts.test == 0)
    if absent.any():
        labels = _listed(~absent, [str(number) for number in range(len(names))])
        text = f"the labels {labels} make {len(names):,} classes, and of {_listed(absent, names)} there is no image"
        said.append((text, f"Number the classes without gaps: `{advice.RENUMBER}`"))
    if (only := (counts.file == 0) & (counts.test > 0)).any():
        wrong = counts.test[only].sum()
        text = f"{_listed(only, names)} {_is(only)} missing in training: {wrong:,} test images cannot be right"
        said.append((text, "Add training images of it, or leave its test images out"))
    if (only := (counts.training == 0) & (counts.file > 0)).any():
        said.append(
            (f"{_listed(only, names)} never {'trains' if only.sum() == 1 else 'train'}: all in the first 10 %", "")
        )
    return said


def _of_split(counts: _Counts, examples: Examples, names: tuple[str, ...]) -> Said:
    said: Said = []
    labels, validating = examples.y_train, counts.validation.sum()
    mending = f"Shuffle the training file: {advice.shuffled(labels)}" if (ordered := _in_blocks(labels)) else ""
    if ordered:
        said.append(("the training file is sorted by class, and its first 10 % validate", mending))
    shares = counts.file / len(labels)
    if validating and (counts.validation == validating).any():
        if ordered or validating > 2:
            said.append((f"all that validates is {names[int(counts.validation.argmax())]}", mending))
    elif ((counts.validation == 0) & (counts.training > 0)).any():
        lacking = (counts.validation == 0) & (counts.training > 0)
        said.append((f"{_listed(lacking, names)} {_is(lacking)} missing in validation", mending))
    spread = SIGMAS * np.sqrt(validating * shares * (1 - shares)) + SLACK
    off = np.abs(counts.validation - validating * shares) - spread
    if not ordered and (off > 0).any():
        most = int(off.argmax())
        here, there = counts.validation[most] / validating, counts.training[most] / counts.training.sum()
        of_it = f"{percent(here)} against {percent(there)} are {names[most]}"
        text = f"validation, the first 10 %, is split unlike training: {of_it}"
        said.append((text, f"Shuffle the training file: {advice.shuffled(labels)}"))
    if ((counts.test == 0) & (counts.file > 0)).any():
        lacking = (counts.test == 0) & (counts.file > 0)
        said.append((f"{_listed(lacking, names)} {_is(lacking)} missing in the test images", ""))
    return said


def _of_majority(counts: _Counts, names: tuple[str, ...]) -> Said:
    said: Said = []
    for what, part in (("training", counts.training), ("test", counts.test)):
        most = int(part.argmax())
        share = part[most] / part.sum()
        if share > 0.5 and share >= 1.5 / np.count_nonzero(counts.file):
            said.append((f"always answering {names[most]} is right for {percent(share)} of the {what} images", ""))
    return said


def _of_pixels(examples: Examples) -> Said:
    images = {"x_train": examples.x_train, "x_test": examples.x_test}
    ends = {field: _ends(x) for field, x in images.items()}
    spreads = {field: high - low for field, (low, high) in ends.items()}
    low, high = ends["x_train"]
    if high == low:
        return [("all pixels of the training images are alike", "Save how bright each pixel is")]
    least = min(spreads, key=spreads.get)
    if spreads[least] * APART < max(spreads.values()):
        text = f"training images span {low:.3g}..{high:.3g} and test images {ends['x_test'][0]:.3g}..{ends['x_test'][1]:.3g}"
        mending = advice.of_contrast({least: images[least]})
        return [(f"{text} of 0..1, so that they look unlike", f"Bring them to one scale: {mending}")]
    if max(spreads.values()) >= CONTRAST:
        return []
    dark = "almost black" if high < CONTRAST else "almost without contrast"
    return [(f"pixels span only {low:.3g}..{high:.3g} of 0..1: {dark}", f"Save {advice.of_contrast(images)}")]


def _ends(x: np.ndarray) -> tuple[float, float]:
    whole = 255 if x.dtype == np.uint8 else 1
    return float(x.min()) / whole, float(x.max()) / whole


def _in_blocks(labels: np.ndarray) -> bool:
    """Whether images of a class stand together far more than by chance."""
    shares = np.bincount(labels) / len(labels)
    steps = np.diff(labels)
    by_chance = (len(labels) - 1) * (1 - (shares**2).sum())
    return bool((steps >= 0).all() or (steps <= 0).all() or np.count_nonzero(steps) < 0.2 * by_chance)


def _listed(these: np.ndarray, names) -> str:
    """ "1, 2 and 3", the first of many and how many more."""
    chosen = [names[place] for place in np.flatnonzero(these)]
    if len(chosen) > NAMED + 1:
        chosen = [*chosen[:NAMED], f"{len(chosen) - NAMED:,} more"]
    return " and ".join(filter(None, [", ".join(chosen[:-1]), chosen[-1]]))


def _is(these: np.ndarray) -> str:
    return "is" if these.sum() == 1 else "are"


def percent(share: float) -> str:
    """98 %, 98.9 %, and 99.99 % rather than a 100 % that it is not."""
    for places in range(1, 5):
        text = f"{100 * share:.{places}f}"
        if share == 1 or text != f"{100:.{places}f}":
            break
    return f"{text.rstrip('0').rstrip('.')} %"

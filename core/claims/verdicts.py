"""One sentence on each of the paper's claims, from a rule that is written out beside it.

Numbers in, a Verdict out. Every threshold is a constant, used by the rule's text and by the code alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core import spectra
from core.claims.spectral_models import Likeness, models
from core.masks import random_cuts
from core.network import Network
from core.statistics.mcnemar import REDUCTIONS, RETRAINED, SURE, Pair, pairs
from core.statistics.words import FAILS, HOLDS, IN_PART, MOST, UNKNOWN, Verdict, percent

WORDS = (HOLDS, IN_PART, FAILS, UNKNOWN)

FEW = 0.25  # up to this share it fails
LEAST = 4  # cases for a word on low rank: where single weights go, only a layer or two may get narrower
WIDTH = 0.95  # a rank up to this share of the live width is below it
LOWER = 0.05  # a rank measure so far below the mean of random cuts is not only lower, it matters
LIKE = 0.1  # the share of a change that a soft threshold may leave unexplained
RIVAL = 0.5  # and that as a share of what any other description leaves
EXACT = 0.001  # two descriptions that both leave less than this cannot be told apart


NO_RUN = (
    " Can't tell too, before anything else is asked: of a run that diverged or collapsed, that gives one answer to everything, "
    "that knows no more than guessing, or that missed cuts."
)


def cannot(objection: str, rule: str) -> Verdict | None:
    """The verdict on what is no run to judge a claim by, for the reason that `standing.objection` gave; None where there is
    none. Every verdict begins with it."""
    return Verdict(UNKNOWN, objection, rule) if objection else None


def _by_share(count: int, total: int) -> str:
    return HOLDS if count > MOST * total else FAILS if count <= FEW * total else IN_PART


def _of_cases(count: int, total: int) -> str:
    """ "3 of 20 cases (one layer after one cut)"."""
    if total == 1:
        return f"{'the only' if count else 'not the only'} case (one layer after one cut)"
    first = "none" if not count else "all" if count == total else f"{count}"
    return f"{first}{' ' if count == total else ' of '}{total} cases (one layer after one cut)"


_SHARES = (
    f"Holds: true of more than {percent(MOST)} of the cases. Fails: of at most {percent(FEW)}. In part: in between. "
    "Can't tell: no case to judge."
)

# -- low rank ---------------------------------------------------------------------------------------------------------

LOW_RANK = (
    "A case is one hidden layer right after one cut that made it narrower. Its rank cannot be above the number of living "
    "neurons on its thinner side, whichever neurons go, so a rank that falls with that number is no news. A case counts as "
    f"lower if its rank is at most {percent(WIDTH)} of that number, or if its effective rank or its stable rank is below "
    f"each of {random_cuts.DRAWS} random cuts that take as many neurons (or weights) from each layer, and at least "
    f"{percent(LOWER)} below their mean. By chance a random cut looks lower at most once in "
    f"{(random_cuts.DRAWS + 1) // 2} cases. "
    + _SHARES.replace("no case to judge", f"fewer than {LEAST} cases")
    + NO_RUN
)
SIGNS = {
    "rank": "rank below the number of living neurons",
    "effective": "effective rank below every random cut",
    "stable": "stable rank below every random cut",
}


@dataclass(frozen=True, eq=False)
class CutOfLayer:
    """A hidden layer (from 0) just after a cut, and what random cuts of the same size make of it.

    live_out, live_in: rows and columns that are not all zero. stable, effective: its stable and effective rank;
    random_stable, random_effective: the same after each random cut, `(draws,)`.
    """

    layer: int
    rank: int
    live_out: int
    live_in: int
    stable: float
    effective: float
    random_stable: np.ndarray
    random_effective: np.ndarray

    @property
    def width(self) -> int:
        """The highest rank that the living block can have."""
        return min(self.live_out, self.live_in)

    @property
    def signs(self) -> tuple[str, ...]:
        """In which ways the rank is lower than width and chance explain: keys of SIGNS, () if in none."""
        found = {
            "rank": self.rank <= WIDTH * self.width,
            "effective": _below(self.effective, self.random_effective),
            "stable": _below(self.stable, self.random_stable),
        }
        return tuple(name for name, lower in found.items() if lower)


def _below(value: float, random: np.ndarray) -> bool:
    return bool(value < np.min(random) and value <= (1 - LOWER) * np.mean(random))


def layers_of_cut(before: Network, kept: Sequence[np.ndarray], random: Sequence[np.ndarray]) -> list[CutOfLayer]:
    """The layers that a cut made narrower, in rows or in columns, and left alive. `before`: the network just before the cut;
    `kept`: the masks after it, one per weight matrix; `random`: what chance.cuts gives for this cut."""
    found = []
    for layer, (weight, mask, values) in enumerate(zip(before.weights[:-1], kept, random, strict=False)):
        after = np.where(mask, weight, np.float32(0))
        size = spectra.live(after)
        if size == spectra.live(weight) or not all(size):
            continue
        now = spectra.spectrum(after)
        ranks = spectra.stable_rank(values), spectra.effective_rank(values)
        found.append(CutOfLayer(layer, now.rank, *size, now.stable_rank, now.effective_rank, *ranks))
    return found


def low_rank(cuts: Sequence[CutOfLayer], objection: str = "") -> Verdict:
    """Whether cuts leave layers of lower rank than their live width and random cuts of the same size explain. objection: why
    the run is none to judge, see `cannot`."""
    if no_run := cannot(objection, LOW_RANK):
        return no_run
    if not cuts:
        sentence = "No cut has made a layer narrower, so there is no fall in rank to explain."
        return Verdict(UNKNOWN, sentence, LOW_RANK)
    if len(cuts) < LEAST:
        times = "once" if len(cuts) == 1 else f"{len(cuts)} times"
        sentence = f"A cut has made a layer narrower only {times}, too seldom to tell."
        return Verdict(UNKNOWN, sentence, LOW_RANK)
    lower = [cut.signs for cut in cuts if cut.signs]
    word = _by_share(len(lower), len(cuts))
    counts = [f"{words} ({n})" for sign, words in SIGNS.items() if (n := sum(sign in signs for signs in lower))]
    explained = _of_cases(len(cuts) - len(lower), len(cuts))
    if word != FAILS:
        cases = _of_cases(len(lower), len(cuts)) + (", but not in most" if word == IN_PART else "")
        return Verdict(
            word, f"The rank is lower than narrower layers explain in {cases}: {', '.join(counts)}.", LOW_RANK
        )
    sentence = f"Narrower layers explain the fall in rank in {explained}: random cuts do the same."
    if lower:
        others = "one" if len(lower) == 1 else f"{len(lower)}"
        sentence += f" In the other {others} it is lower: {', '.join(counts)}."
    return Verdict(word, sentence, LOW_RANK)


# -- like a penalty ---------------------------------------------------------------------------------------------------

PENALTY = (
    "A penalty on the sum of the singular values lowers all of them by one amount, none below zero: a soft threshold. A case "
    "is one hidden layer and one cut. In each, the soft threshold that gives the sum found after the cut is set beside three "
    "other ways to that sum or size: the largest values stay and the rest go; all shrink by one factor; as many neurons (or "
    "weights) go, but any. A case is like a penalty if the soft threshold leaves at most "
    f"{percent(LIKE)} of the change unexplained, and at most {percent(RIVAL)} of what each of the others leaves. Left out: "
    "layers that did not change, and those in which the soft threshold is the same as one of the others (as in a layer that "
    "died). " + _SHARES + NO_RUN
)


def like_a_penalty(likeness: Likeness) -> bool | None:
    """Whether the soft threshold describes the cut, and better than the three others; None where it cannot be told apart
    from one of them (a layer of one value, a layer that died)."""
    soft = likeness.soft.distance
    rival = min(each.distance for name, each in likeness.descriptions.items() if name != "soft")
    if max(soft, rival) < EXACT:
        return None
    return soft <= LIKE and soft <= RIVAL * rival


def penalty(likenesses: Sequence[Likeness | None], objection: str = "") -> Verdict:
    """Whether cuts act on singular values as a penalty on their sum would. None (a layer that did not change) is left out.
    objection: why the run is none to judge, see `cannot`."""
    if no_run := cannot(objection, PENALTY):
        return no_run
    found = [(each, like_a_penalty(each)) for each in likenesses if each is not None]
    judged = [each for each, like in found if like is not None]
    if not judged:
        sentence = "No cut has changed a layer in a way that tells a penalty from anything else."
        return Verdict(UNKNOWN, sentence, PENALTY)
    like = sum(like is True for _, like in found)
    word = _by_share(like, len(judged))
    opening = {
        HOLDS: "The cuts act like a penalty on the sum of the singular values",
        IN_PART: "Some cuts act like a penalty on the sum of the singular values, most do not",
        FAILS: "The cuts do not act like a penalty on the sum of the singular values",
    }[word]
    phrases = {one.name: one.phrase for one in models()}
    typical = {name: float(np.median([each.descriptions[name].distance for each in judged])) for name in phrases}
    rival = min((name for name in phrases if name != "soft"), key=typical.__getitem__)
    sentence = (
        f"{opening}: a soft threshold is the right description in {_of_cases(like, len(judged))}. Typically it leaves "
        f"{percent(typical['soft'])} of the change unexplained; {phrases[rival]} leaves {percent(typical[rival])}."
    )
    if grew := sum(each.grew for each in judged):
        sentence += f" In {grew} the sum even rose, which no penalty does."
    return Verdict(word, sentence, PENALTY)


# -- against PCA ------------------------------------------------------------------------------------------------------

CONTEST = (
    "All networks answer the same test images. The pruned one is compared with each other one by the images that only one of "
    "the two gets right (McNemar's exact test), corrected for the number of comparisons (Holm). Better means: right on more "
    f"images, where equals would differ so much in less than {percent(SURE)} of such contests. The pruned network was trained "
    "on after its cuts, so the fair opponents are reductions that were retrained as well; the paper compared with PCA as it "
    "is. Holds: better than every reduction, retrained or not. In part: better than PCA without retraining, the paper's "
    "opponent, but not than every other reduction, or some are not retrained yet. Fails: not better than PCA without "
    "retraining. Can't tell: that one is not there." + NO_RUN
)
PAPERS = "pca"  # the paper's opponent


def contest(right: Mapping[str, np.ndarray], matching: str = "the same rank per layer", objection: str = "") -> Verdict:
    """Whether the pruned network is more accurate than the standard one reduced in other ways. `right`: see paired.pairs.
    `matching`: what the networks have in common, as the sentence says it. objection: why one of the two runs is none to
    judge, see `cannot`. Raises ValueError as paired.pairs does."""
    if no_run := cannot(objection, CONTEST):
        return no_run
    found = pairs(right)
    plain, retrained = ([pair for pair in found if pair.retrained is wanted] for wanted in (False, True))
    papers = next((pair for pair in plain if pair.arm == PAPERS), None)
    if papers is None:
        return Verdict(
            UNKNOWN, "PCA without retraining, the paper's opponent, is not there yet to compare with.", CONTEST
        )
    if not papers.better:
        return Verdict(FAILS, f"At {matching}, and without any retraining, {_against(papers)}.", CONTEST)
    missing = [REDUCTIONS[pair.arm] for pair in plain if pair.arm + RETRAINED not in right]
    but = [f"without retraining too, {_against(tough)}" if (tough := _toughest(plain)) else ""]
    but += [f"retrained as it was, {_against(tough)}" if (tough := _toughest(retrained)) else ""]
    but = [clause for clause in but if clause]
    if not but and not missing:
        sentence = f"At {matching}, the pruned network beats every reduction, retrained or not ({_closest(found)})."
        return Verdict(HOLDS, sentence, CONTEST)
    sentence = (
        f"At {matching}, the pruned network beats PCA as the paper uses it, without retraining, by {_amount(papers)}."
    )
    if but:
        sentence += f" But {'; '.join(but)}."
    if missing:
        sentence += f" Without the retraining it had so far: {_listed(missing)}."
    return Verdict(IN_PART, sentence, CONTEST)


def _toughest(among: Sequence[Pair]) -> Pair | None:
    """The arm that does best of those that the pruned network is not better than; None if there is none."""
    return min((pair for pair in among if not pair.better), key=lambda pair: pair.lead, default=None)


def _against(pair: Pair) -> str:
    name = REDUCTIONS[pair.arm.removesuffix(RETRAINED)]
    if pair.worse:
        return f"{name} beats the pruned network by {_amount(pair)}"
    if not pair.lead:
        return f"{name} gets as many test images right as the pruned network"
    side = "ahead of" if pair.lead > 0 else "behind"
    return f"the pruned network is {side} {name} by {_amount(pair)}, which can be chance (p = {pair.corrected:.2g})"


def _closest(among: Sequence[Pair]) -> str:
    pair = min(among, key=lambda pair: pair.lead)
    return f"the closest, {pair.label}, by {_amount(pair)}"


def _amount(pair: Pair) -> str:
    points = abs(pair.points)
    return f"{points:.{1 if points >= 0.1 else 2}f} points = {abs(pair.lead):,} of {pair.images:,} test images"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]

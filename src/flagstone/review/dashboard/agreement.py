"""
Agreement between reviewers beyond chance.

Cohen's kappa (1960) compares two reviewers. Fleiss' kappa (1971) needs the same number of reviewers
for each flag. Krippendorff's alpha (2004) takes any number, even if each has seen only some flags.
1 is full agreement, 0 is chance level. statsmodels and krippendorff compute them.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from flagstone.errors import MissingExtraError

_TWO = 2
_MAX_PAIRS = 10

Ratings = Mapping[str, Mapping[str, str]]
"""The verdict of each reviewer, by flag."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A measure of agreement: its name, the reviewers, the number of flags; None if undefined."""

    name: str
    whose: str
    flags: int
    value: float | None


def agreement(ratings: Ratings) -> list[Measure]:
    """
    Return the measures for *ratings*; empty if no flag was decided by two reviewers.

    Raises `MissingExtraError` if the libraries are not installed.
    """
    shared = {flag: said for flag, said in ratings.items() if len(said) >= _TWO}
    if not shared:
        return []
    try:
        return [_alpha(shared), _fleiss(shared), *_cohens(shared)]
    except ModuleNotFoundError as error:
        raise MissingExtraError(asked="agreement between reviewers", extra="agreement") from error


def _alpha(ratings: Ratings) -> Measure:
    import krippendorff
    import numpy as np

    codes = _codes(ratings)
    reviewers = sorted({by for said in ratings.values() for by in said})
    table = np.array(
        [[codes.get(said.get(by, ""), math.nan) for said in ratings.values()] for by in reviewers]
    )
    value = (
        krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
        if len(codes) > 1
        else math.nan  # all verdicts are the same: alpha is undefined
    )
    return _measure("Krippendorff's alpha", f"{len(reviewers)} reviewers", ratings, value)


def _fleiss(ratings: Ratings) -> Measure:
    from statsmodels.stats.inter_rater import fleiss_kappa

    ((most_common, _),) = Counter(len(said) for said in ratings.values()).most_common(1)
    even = {flag: said for flag, said in ratings.items() if len(said) == most_common}
    codes = _codes(even)
    counts = [[list(said.values()).count(word) for word in codes] for said in even.values()]
    value = fleiss_kappa(counts) if len(codes) > 1 else math.nan
    return _measure("Fleiss' kappa", f"{most_common} reviewers per flag", even, value)


def _cohens(ratings: Ratings) -> list[Measure]:
    from statsmodels.stats.inter_rater import cohens_kappa

    reviewers = sorted({by for said in ratings.values() for by in said})
    measures = []
    for one, other in combinations(reviewers, 2):
        both = {flag: said for flag, said in ratings.items() if one in said and other in said}
        codes = _codes({flag: {one: s[one], other: s[other]} for flag, s in both.items()})
        if not both:
            continue
        table = [[0] * len(codes) for _ in codes]
        for said in both.values():
            table[codes[said[one]]][codes[said[other]]] += 1
        value = cohens_kappa(table, return_results=False) if len(codes) > 1 else math.nan
        measures.append(_measure("Cohen's kappa", f"{one} and {other}", both, value))
    return sorted(measures, key=lambda measure: -measure.flags)[:_MAX_PAIRS]


def _codes(ratings: Ratings) -> dict[str, int]:
    words = sorted({word for said in ratings.values() for word in said.values()})
    return {word: n for n, word in enumerate(words)}


def _measure(name: str, whose: str, ratings: Ratings, value: float) -> Measure:
    known = None if math.isnan(value) else float(value)
    return Measure(name=name, whose=whose, flags=len(ratings), value=known)

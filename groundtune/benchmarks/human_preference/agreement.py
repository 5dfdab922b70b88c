"""How far raters agree: raw agreement, Cohen's kappa (1960) and Krippendorff's alpha for nominal data (2011)."""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations

Labels = Mapping[str, str]  # unit -> category, of one rater


def raw_agreement(raters: Mapping[str, Labels]) -> float | None:
    """Share of equal verdicts among all pairs of raters on all units that both judged; None without any."""
    equal = both = 0
    for one, two in combinations(raters.values(), 2):
        shared = one.keys() & two.keys()
        both += len(shared)
        equal += sum(one[unit] == two[unit] for unit in shared)
    return equal / both if both else None


def cohens_kappa(one: Labels, two: Labels) -> float | None:
    """(p_o - p_e) / (1 - p_e) over the units that both judged; None without any, or when both used the same single
    category throughout: then chance alone agrees fully and the coefficient is not defined."""
    shared = sorted(one.keys() & two.keys())
    if not shared:
        return None
    observed = sum(one[unit] == two[unit] for unit in shared) / len(shared)
    first, second = Counter(one[unit] for unit in shared), Counter(two[unit] for unit in shared)
    expected = sum(first[category] * second[category] for category in first) / len(shared) ** 2
    return None if expected == 1.0 else (observed - expected) / (1.0 - expected)


def krippendorffs_alpha(raters: Mapping[str, Labels]) -> float | None:
    """1 - D_o / D_e with the nominal metric, for any number of raters and missing verdicts.

    A unit that fewer than two raters judged says nothing about agreement and is left out. None when no unit is left
    or all verdicts on them are of one category.
    """
    units: dict[str, list[str]] = {}
    for labels in raters.values():
        for unit, category in labels.items():
            units.setdefault(unit, []).append(category)
    judged = [categories for categories in units.values() if len(categories) > 1]
    totals = Counter(category for categories in judged for category in categories)
    n = sum(totals.values())
    # Ordered pairs of different values: within units, each unit weighing 1 / (raters - 1), against all values pooled.
    observed = sum(_unequal(Counter(categories)) / (len(categories) - 1) for categories in judged)
    expected = _unequal(totals) / (n - 1) if n > 1 else 0.0
    return None if expected == 0.0 else 1.0 - observed / expected


def _unequal(counts: Counter[str]) -> int:
    """Ordered pairs of values that differ."""
    return sum(counts.values()) ** 2 - sum(count**2 for count in counts.values())

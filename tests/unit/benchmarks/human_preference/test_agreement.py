"""Agreement against published worked examples and against the coefficients' own limits."""

import pytest

from groundtune.benchmarks.human_preference.agreement import cohens_kappa, krippendorffs_alpha, raw_agreement


def labels(text: str) -> dict[str, str]:
    """ "1 2 . 3": a category a unit, "." for none."""
    return {str(unit): one for unit, one in enumerate(text.split()) if one != "."}


def test_alpha_of_krippendorffs_example_with_missing_values() -> None:
    """Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C: four observers, 12 units, .743."""
    raters = {
        "A": labels("1 2 3 3 2 1 4 1 2 . . ."),
        "B": labels("1 2 3 3 2 2 4 1 2 5 . 3"),
        "C": labels(". 3 3 3 2 3 4 2 2 5 1 ."),
        "D": labels("1 2 3 3 2 4 4 1 2 5 1 ."),
    }
    assert krippendorffs_alpha(raters) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_krippendorffs_example_of_two_observers() -> None:
    """The same paper, example B: two observers, 12 units, five categories, .692."""
    raters = {"A": labels("a a b b d c c c e d d a"), "B": labels("b a b b b c c c e d d d")}
    assert krippendorffs_alpha(raters) == pytest.approx(0.692, abs=5e-4)


def test_kappa_of_a_table_by_hand() -> None:
    """20 both yes, 5 and 10 apart, 15 both no: (0.7 - 0.5) / 0.5."""
    one = labels(" ".join("y" * 25 + "n" * 25))
    two = labels(" ".join("y" * 20 + "n" * 5 + "y" * 10 + "n" * 15))
    assert cohens_kappa(one, two) == pytest.approx(0.4)


def test_full_agreement_is_one_and_the_opposite_is_negative() -> None:
    one, two = labels("a b a b"), labels("b a b a")
    assert (raw_agreement({"x": one, "y": one}), cohens_kappa(one, one)) == (1.0, 1.0)
    assert krippendorffs_alpha({"x": one, "y": one}) == 1.0
    assert raw_agreement({"x": one, "y": two}) == 0.0
    assert cohens_kappa(one, two) == -1.0


def test_nothing_in_common_or_a_single_category_is_not_defined() -> None:
    assert raw_agreement({"x": labels("a ."), "y": labels(". a")}) is None
    assert cohens_kappa(labels("a ."), labels(". a")) is None
    assert krippendorffs_alpha({"x": labels("a ."), "y": labels(". a")}) is None
    assert cohens_kappa(labels("a a"), labels("a a")) is None
    assert krippendorffs_alpha({"x": labels("a a"), "y": labels("a a")}) is None

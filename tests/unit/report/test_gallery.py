"""Which pairs are shown, and what is said of them."""

import random
from typing import Any

from groundtune.report.gallery import sample, why
from groundtune.report.marked_text import Piece, mark_objects, mark_sentence


def pair(number: int, hardness: float, **fields: Any) -> dict[str, Any]:
    return {
        "pair_id": f"p{number}/0", "prompt_id": f"p{number}", "hardness": hardness, "worst_sentence": f"S {number}.",
        "chosen": "A cup.", "rejected": f"S {number}. A cup.", "chosen_mas": 0.88, "rejected_mas": 0.31,
        "chosen_confidence": -0.25, "rejected_confidence": -0.21, **fields,
    }  # fmt: skip


def test_the_sample_holds_the_hardest_the_median_and_the_easiest_whatever_the_order() -> None:
    pairs = [pair(number, number / 100) for number in range(100)]
    hard, middle, easy = sample(pairs, 12)
    assert [one["pair_id"] for one in hard] == ["p99/0", "p98/0", "p97/0", "p96/0"]
    assert all(0.4 < one["hardness"] < 0.6 for one in middle)
    assert [one["hardness"] for one in easy] == [0.0, 0.01, 0.02, 0.03]
    random.Random(1).shuffle(pairs)
    assert sample(pairs, 12) == (hard, middle, easy)


def test_no_pair_is_shown_twice_and_none_is_left_out_when_all_fit() -> None:
    for count in (0, 1, 2, 5, 24, 25, 30, 80):
        shown = [one["pair_id"] for band in sample([pair(n, n) for n in range(count)], 24) for one in band]
        assert len(shown) == len(set(shown)) == min(count, 24)


def test_repeated_mistakes_give_way_to_other_ones() -> None:
    pairs = [pair(n, 100 - n, worst_sentence="A blue fork." if n < 8 else f"S {n}.") for n in range(60)]
    hard, _, _ = sample(pairs, 12)
    assert sum(one["worst_sentence"] == "A blue fork." for one in hard) == 1


def test_the_reason_names_belief_and_misfit_in_numbers() -> None:
    said = why(pair(1, 1.0, worst_sentence="There is a blue fork."))
    assert said == (
        "Rejected: the model believes it as much as the chosen answer (−0.21 against −0.25 nats a token), but "
        "“There is a blue fork.” fits the picture least (MAS 0.31 against 0.88)."
    )
    assert "believes it less" in why(pair(1, 1.0, rejected_confidence=-0.9))
    assert "believes it more" in why(pair(1, 1.0, rejected_confidence=-0.1))
    assert "teaches little" in why(pair(1, 1.0, worst_sentence="A cup."))
    assert "fits the picture less" in why(pair(1, 1.0, worst_sentence=""))


def test_a_sentence_is_marked_across_line_breaks_and_pieces_join_to_the_text() -> None:
    text = "A cup.\nThere is a\n blue fork. (x"
    pieces = mark_sentence(text, "There is a blue fork.")
    assert [piece for piece in pieces if piece.marked] == [Piece("There is a\n blue fork.", True)]
    assert "".join(piece.text for piece in pieces) == text
    assert mark_sentence(text, "Not there.") == [Piece(text)]
    assert mark_sentence("", "") == []


def test_objects_are_marked_in_singular_and_plural_and_by_their_whole_name() -> None:
    text = "Two buses and a hot dog; the busy dog."
    marked = [piece.text for piece in mark_objects(text, ["bus", "hot dog"]) if piece.marked]
    assert marked == ["buses", "hot dog"]
    assert "".join(piece.text for piece in mark_objects(text, ["bus"])) == text

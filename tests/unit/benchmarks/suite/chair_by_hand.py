"""CHAIR's rules once more, as one reads them aloud: a script over plain lists, which shares nothing with the room."""

from collections.abc import Callable, Sequence

ANIMALS = ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal", "cub"]


def read_table(text: str) -> dict[str, str]:
    """Every name of the synonym table -> the first name of its line."""
    table = {}
    for line in text.split("\n"):
        names = [name.strip() for name in line.split(",")]
        for name in names:
            if name:
                table[name] = names[0]
    return table


def objects_of(
    text: str, table: dict[str, str], tokenise: Callable[[str], list[str]], lemma: Callable[[str], str]
) -> list[str]:
    """The objects that a text names, in order, repeats kept."""
    doubles = {name: name for name in table if len(name.split(" ")) == 2}
    doubles |= {"home plate": "home plate", "train track": "train track"}
    for animal in ANIMALS:
        doubles["baby " + animal] = animal
        doubles["adult " + animal] = animal
    doubles |= {"passenger jet": "jet", "passenger train": "train"}
    doubles |= {"bow tie": "tie", "toilet seat": "toilet", "wine glas": "wine glass"}
    single = [lemma(token) for token in tokenise(text.lower())]
    words = []
    while single:
        two = " ".join(single[:2])
        if len(single) > 1 and two in doubles:
            words.append(doubles[two])
            single = single[2:]
        else:
            words.append(single[0])
            single = single[1:]
    if "toilet" in words:
        words = [word for word in words if word != "seat"]
    return [table[word] for word in words if word in table]


def scores(described: Sequence[tuple[set[str], list[str], str]]) -> dict[str, float]:
    """described: (objects of the image, objects named, answer). -> what the published script prints, in percent."""
    naming = wrong_answers = words = wrong_words = truth = covered = length = 0
    for present, named, answer in described:
        wrong = [name for name in named if name not in present]
        naming += len(named) > 0
        wrong_answers += len(wrong) > 0
        words += len(named)
        wrong_words += len(wrong)
        truth += len(present)
        covered += len({name for name in named if name in present})
        length += len(answer.strip().split(" "))
    return {
        "chairs": wrong_answers / naming * 100,
        "chairs_all": wrong_answers / len(described) * 100,
        "chairi": wrong_words / words * 100,
        "recall": covered / truth * 100,
        "words": length / len(described),
    }

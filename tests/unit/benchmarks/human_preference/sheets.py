"""Two models' answers about a few small pictures, for the tests of the sheet."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact
from groundtune.digests import digest_file, digest_of
from groundtune.settings import EvaluationSettings

HOSTILE = "</script><script>alert('x')</script><img src=https://evil.example/x.png> \u2028 {{ 7 * 7 }}"


def write_answers(root: Path, model: str, texts: Sequence[str], questions_an_image: int = 1) -> Artifact:
    """An `answers` artifact with a description a text, and a yes/no question each that no sheet may show."""
    images = root / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, text in enumerate(texts):
        name = f"{index // questions_an_image}.png"
        Image.new("RGB", (48, 36), (50 * (index // questions_an_image) % 256, 90, 200)).save(images / name)
        digest = digest_file(images / name)
        common = {
            "image": name,
            "image_sha256": digest,
            "category": "",
            "correct": None,
            "p_yes": None,
            "judgement": "",
            "rating": "",
        }
        rows += [
            {
                **common, "benchmark": "chair", "question_id": f"c{index}", "kind": "caption",
                "question": f"Describe picture {index}.", "truth": "[]", "answer": text, "parsed": "[]",
            },
            {
                **common, "benchmark": "pope_random", "question_id": f"p{index}", "kind": "yes_no",
                "question": "Is there a dog in the image?", "truth": "yes", "answer": f"{model} yes", "parsed": "yes",
            },
        ]  # fmt: skip
    parents = {"model": digest_of("m"), "adapter": "" if model == "base" else digest_of("a")}
    writer = ArtifactWriter(root / model, "answers", EvaluationSettings().to_mapping(), parents)
    writer.write_part(0, rows)
    return writer.finish(len(rows))


def two_models(root: Path, count: int, same: Sequence[int] = (), questions_an_image: int = 1) -> list[Artifact]:
    """[base, aligned]; the questions of `same` are answered alike by both."""
    texts = {
        model: [f"text {i}" if i in same else f"{word} {i}" for i in range(count)]
        for model, word in (("base", "grey"), ("aligned", "teal"))
    }
    return [write_answers(root, model, texts[model], questions_an_image) for model in texts]

"""Small self-made folders in the formats of the judged benchmarks, and answers to them."""

import json
from pathlib import Path

from PIL import Image

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact
from groundtune.benchmarks.question import Answered, Benchmark, Question, row_of
from groundtune.benchmarks.suite.mmhal import TYPES


def write_mmhal(folder: Path, count: int = 10) -> Path:
    """response_template.json of `count` records; images by the file name of image_src, every third one by image_id."""
    (folder / "images").mkdir(parents=True)
    records = []
    for at in range(count):
        name = f"id{at}.png" if at % 3 == 2 else f"photo-{at}.png"
        Image.new("RGB", (28, 28), (20 * at % 256, 90, 30)).save(folder / "images" / name)
        records.append(
            {
                "question_type": TYPES[at % 8],
                "question_topic": "indoor",
                "image_id": f"id{at}",
                "image_src": f"https://photos.example/{at}/photo-{at}.png",
                "image_content": ["Cup", "Table"],
                "question": f"What stands on table {at}?",
                "gt_answer": f"A cup stands on table {at}.",
                "model_answer": "",
            }
        )
    (folder / "response_template.json").write_text(json.dumps(records, indent=1))
    return folder


def write_llava_bench(folder: Path) -> Path:
    """Three images with a question of each category."""
    (folder / "images").mkdir(parents=True)
    questions, contexts, references = [], [], []
    for at in range(3):
        image = f"{at:03}.png"
        Image.new("RGB", (28, 28), (60 * at, 90, 30)).save(folder / "images" / image)
        caption = f"Scene {at}: a cup and a dog." if at else ["Scene 0: a cup.", "A dog sleeps."]
        contexts.append({"id": at, "image": image, "caption": caption})
        for place, category in enumerate(("conv", "detail", "complex")):
            number = 3 * at + place
            questions.append(
                {"question_id": number, "image": image, "category": category, "text": f"Tell me {number}."}
            )
            references.append({"question_id": number, "text": f"Reference {number}.", "category": category})
    for name, rows in (("questions", questions), ("context", contexts), ("answers_gpt4", references)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def answered(benchmark: Benchmark, questions: list[Question], answers: list[str], ratings: list[str]) -> list[Answered]:
    return [
        Answered(question, answer, benchmark.parse(question, answer), rating=rating)
        for question, answer, rating in zip(questions, answers, ratings, strict=True)
    ]


def write_answers(path: Path, questions: list[Question], answers: list[str], image: str = "sha") -> Artifact:
    """An `answers` artifact, as an evaluation writes it, of answers given here."""
    rows = [
        row_of(Answered(question, answer, ""), f"{image}-{question.image}", None)
        for question, answer in zip(questions, answers, strict=True)
    ]
    writer = ArtifactWriter(path, "answers", {}, {"answers": str(answers)})
    writer.write_part(0, rows)
    return writer.finish(len(rows))

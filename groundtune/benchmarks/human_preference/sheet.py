"""write_sheet: the blind comparison as one HTML file that loads nothing, and its key beside it."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from groundtune.artifacts import Artifact
from groundtune.benchmarks.human_preference.key import FILE, Key, key_of, write_key
from groundtune.benchmarks.human_preference.pairs import Pair, draw_pairs
from groundtune.digests import digest_of
from groundtune.images import ImageStore, data_uri

LONGEST_SIDE = 896  # pixels: sharp on a laptop's screen, about 100 kB a photograph
TITLE = "Which answer fits the picture better?"
ADVICE = (
    "Prefer the answer that tells more of what is in the picture and nothing that is not. "
    "Length and style alone are no reason. If neither is better, say so."
)


def write_sheet(
    base: Artifact,
    aligned: Artifact,
    images_root: str,
    out_html: str | Path,
    *,
    number: int = 100,
    seed: int = 0,
    title: str = TITLE,
    advice: str = ADVICE,
) -> Key:
    """Write the sheet to `out_html` and `key.json` beside it (ours).

    base, aligned: `answers` artifacts of the same questions. images_root: what the image references are relative to,
    a folder or s3:// prefix. number: how many pairs that differ are shown, fewer when there are not as many. The page
    names neither model, question file nor seed; give raters the page alone. The same inputs write the same sheet.
    Raises what `draw_pairs` raises, RecordError for a picture that cannot be read or is not the one that was asked
    about (a comparison without its picture would measure taste), and ArtifactError when key.json is another sheet's.
    """
    drawn = draw_pairs(base, aligned, number, seed)
    content = _content(drawn.pairs, ImageStore(images_root, attached=base.files), title, advice)
    key = key_of(content["sheet"], base, aligned, seed, drawn)
    page = _render(content)
    out = Path(out_html)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_key(key, out.with_name(FILE))
    out.write_text(page, encoding="utf-8")
    return key


def _content(pairs: Sequence[Pair], store: ImageStore, title: str, advice: str) -> dict[str, Any]:
    """What the page's script reads; its digest names the sheet."""
    places: dict[str, int] = {}
    images: list[dict[str, Any]] = []
    for pair in pairs:
        if pair.image not in places:
            places[pair.image] = len(images)
            record_id = f"{pair.benchmark}/{pair.question_id}"
            images.append(_picture(store.open(record_id, pair.image, pair.image_sha256)))
    content = {
        "title": title,
        "advice": advice,
        "images": images,
        "pairs": [
            {
                "id": pair.pair_id,
                "image": places[pair.image],
                "question": pair.question,
                "answers": [pair.aligned, pair.base] if pair.aligned_first else [pair.base, pair.aligned],
            }
            for pair in pairs
        ],
    }
    return {"sheet": digest_of(content), **content}


def _picture(image: Image.Image) -> dict[str, Any]:
    longest = max(image.size)
    if longest > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    # A drawing of a few pixels is shown large without smoothing.
    return {"uri": data_uri(image), "width": image.width, "height": image.height, "crisp": longest <= 256}


def _render(content: dict[str, Any]) -> str:
    """Answers enter as JSON and are put in by `textContent`: a model's text never becomes markup. The page's policy
    allows this one script, by its hash, and no connection at all."""
    environment = Environment(
        loader=PackageLoader("groundtune.benchmarks.human_preference"), autoescape=True, undefined=StrictUndefined
    )
    style, script = (environment.get_template(f"sheet.{kind}.jinja").render() for kind in ("css", "js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("sheet.html.jinja").render(
        content=content,
        style=Markup(style),
        script=Markup(script),
        script_hash=allowed,
    )

from pathlib import Path

import pytest

from groundtune.promotion.model_card import licence_note, model_card


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README.md": "---\nlicense: llama2\n---\n# LLaVA"}, "names the licence `llama2`"),
        ({"LICENSE.txt": "terms", "NOTICE": "n"}, "holds `LICENSE.txt`, `NOTICE`"),
        ({"README.md": "license: mit, says the text, not the header"}, "names no licence"),
    ],
)
def test_the_card_says_what_the_checkpoint_says_about_its_licence(
    files: dict[str, str], expected: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert expected in licence_note(tmp_path)


def test_a_card_without_an_evaluation_says_so_and_its_tables_stay_whole(tmp_path: Path) -> None:
    manifest = {"settings": {"lora_targets": ["q_proj|v_proj"]}, "parents": {}}
    card = model_card("vlm", "s3://models/llava", tmp_path, {"adapter": "a1"}, manifest, None)
    assert "Not evaluated." in card
    assert '| `lora_targets` | `["q_proj\\|v_proj"]` |' in card

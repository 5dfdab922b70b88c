"""Token ids of an answer that was not sampled here: a reference text, or one that another engine wrote."""

from groundtune.errors import RecordError
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.prompt import Prefix


def encode_answer(reader: PrefixChecker, prefix: Prefix, text: str, finished: bool = True) -> tuple[int, ...]:
    """Ids of `text` as the continuation of `prefix`, with the end-of-answer token when `finished`.

    The text is tokenized behind the prompt's own ending and a space, as training data is, so that the ids
    at the border are those the model was trained on. Raises RecordError when the text is empty or holds
    the image token.
    """
    token = reader.processor.image_token
    if not text.strip():
        raise RecordError(prefix.record_id, "answer", "is empty")
    if token in text:
        raise RecordError(prefix.record_id, "answer", f"contains the image token {token!r}")
    ending = prefix.text.rsplit(token, 1)[-1]
    continued = ("" if ending[-1:].isspace() else " ") + text.strip()
    before = _ids(reader, ending)
    together = _ids(reader, ending + continued)
    if together[: len(before)] == before:
        ids = together[len(before) :]
    else:  # the tokenizer merges across the border; the prefix is fixed, so the answer starts on its own
        ids = _ids(reader, continued)
    return (*ids, reader.tokenizer.eos_token_id) if finished else tuple(ids)


def _ids(reader: PrefixChecker, text: str) -> list[int]:
    return list(reader.tokenizer(text, add_special_tokens=False)["input_ids"])

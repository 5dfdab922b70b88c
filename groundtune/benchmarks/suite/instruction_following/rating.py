"""What a judge is asked about an answer, and what is read out of its reply (ours)."""

import re

LOWEST, HIGHEST = 1, 10
PROMPT = "ift-following-1"
_SYSTEM = (
    "You assess how well an assistant followed an instruction about a picture that you do not see. Do not judge "
    "whether the answer is true of the picture. Judge whether it does what the instruction asks for, in what it "
    "addresses, in its form, its length and its language, leaves nothing out and adds nothing that was not wanted."
)
_ASKED = """[Instruction]
{instruction}

[Answer]
{answer}

[End of the answer]

Say in one or two sentences what was followed and what was not. Then give a whole number from 1 (nothing was followed) \
to 10 (everything was followed) on a line of its own, in exactly this form:
Rating: <number>"""
_RATING = re.compile(r"^[^\w\n]*rating[\s:=*_\[(]*(\d+)(?: ?/ ?10)?[^\w\n]*$", re.IGNORECASE | re.MULTILINE)


def messages(instruction: str, answer: str) -> list[dict[str, str]]:
    """OpenAI chat messages; the judge sees text only."""
    asked = _ASKED.format(instruction=instruction, answer=answer)
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": asked}]


def read(reply: str) -> str | None:
    """ "7" of a reply with exactly one line "Rating: 7", 1 to 10; None otherwise."""
    found = _RATING.findall(reply)
    if len(found) != 1 or len(found[0]) > 2 or not LOWEST <= int(found[0]) <= HIGHEST:
        return None
    return str(int(found[0]))

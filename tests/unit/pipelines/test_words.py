"""What a person sees of a local run: the stages' words and errors, not the executor's bookkeeping."""

import io

import pytest

from pipelines.local import Words


@pytest.fixture(params=[0, 4, 8])
def shown(request):
    """As kfp.local prints a task's output: indented by four spaces, and by more after tasks ran side by side."""
    return lambda text: words_of("".join(" " * request.param + line for line in text.splitlines(keepends=True)))


def words_of(text):
    stream = io.StringIO()
    words = Words(stream)
    for i in range(0, len(text), 7):  # arrives in pieces
        words.write(text[i : i + 7])
    return stream.getvalue().splitlines()


def test_the_stages_words_come_through_and_bookkeeping_does_not(shown):
    text = """12:00:00.1 - INFO - Executing task
[KFP Executor 2026-11-21 INFO]: Got executor_input:
{
    "inputs": {
sample_candidates    [####....] 3/6 prompts  1.2/s  0:02 left
sample_candidates 0/2  [####....] 3/6 prompts
baseline pope_adversarial 2/3  [####....] 3/6 questions

  warnings.warn(
select_pairs         6 prompts -> 5 pairs
"""
    assert [line.split()[0] for line in shown(text)] == [
        "sample_candidates", "sample_candidates", "baseline", "select_pairs",
    ]  # fmt: skip


def test_an_error_of_the_input_is_its_message_alone(shown):
    text = """Traceback (most recent call last):
  File "x.py", line 1, in run
    raise TooManyRejected(
groundtune.errors.TooManyRejected: 2 of 10 rows were rejected. The first:
  prompts.jsonl:3 id="a": image: missing
[KFP Executor] done
"""
    assert shown(text) == [
        "error: 2 of 10 rows were rejected. The first:",
        '  prompts.jsonl:3 id="a": image: missing',
    ]


def test_a_chained_error_ends_with_the_outer_message(shown):
    text = """Traceback (most recent call last):
  File "x.py", line 1
KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "y.py", line 2
groundtune.errors.StorageError: cannot read s3://b/x: check AWS_ENDPOINT_URL
"""
    assert shown(text)[-1] == "error: cannot read s3://b/x: check AWS_ENDPOINT_URL"


def test_a_bug_keeps_its_traceback(shown):
    text = 'Traceback (most recent call last):\n  File "x.py", line 1\nZeroDivisionError: division by zero\n'
    assert shown(text) == text.splitlines()

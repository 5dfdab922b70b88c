"""A language model as judge, over the OpenAI chat-completions protocol: hosted, or served next door."""

from groundtune.benchmarks.judge.asking import Judge, load_judge
from groundtune.benchmarks.judge.checking import check
from groundtune.benchmarks.judge.verdict import JudgeRequest, Verdict

__all__ = ["Judge", "JudgeRequest", "Verdict", "check", "load_judge"]

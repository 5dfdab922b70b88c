"""A tiny chat model that judges, served by `transformers serve`: the real protocol, a real model, on loopback.

The model is trained in the test: it ends every reply with "Rating: " and the last digit of what it was asked.
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.servers import Server, free_port

_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
_REPLY = " Rating: {}"
_STEPS = 300
_LETTERS = "abcdefghijklmnopqrstuvwxyz 0123456789.,ANT"


def tiny_judge(path: Path) -> Path:
    """A LlamaForCausalLM of bytes, saved as an ordinary checkpoint; some fifteen seconds on one core."""
    tokenizer = _tokenizer()
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=1,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    loss = torch.tensor(0.0)
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * min(1.0, (step + 1) / 20) * (1.0 - step / _STEPS)
        ids, learned = _batch(tokenizer, generator)
        labels = ids.clone()
        labels[:, :-learned] = -100
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    if loss.item() > 0.05:
        raise RuntimeError(f"the tiny judge did not learn its digits: loss {loss.item():.3f}")
    model.eval().save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def _batch(tokenizer: PreTrainedTokenizerFast, generator: torch.Generator) -> tuple[torch.Tensor, int]:
    """([32, T] token ids of chats of equal length, how many tokens at their end are the reply)."""
    length = int(torch.randint(1, 40, (1,), generator=generator))
    rows = []
    for digit in torch.randint(0, 10, (32,), generator=generator).tolist():
        letters = torch.randint(0, len(_LETTERS), (length,), generator=generator).tolist()
        chat = [{"role": "user", "content": f"{''.join(_LETTERS[at] for at in letters)} {digit}"}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(asked + _REPLY.format(digit), add_special_tokens=False).input_ids
        rows.append([*ids, tokenizer.eos_token_id])
    return torch.tensor(rows), len(_REPLY.format(0)) + 1


def _tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte."""
    specials = ["<pad>", "<s>", "</s>"]
    pieces = specials + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left"
    )
    fast.chat_template = _TEMPLATE
    return fast


@dataclass
class TinyJudgeServer(Server):
    """`transformers serve` with one model."""

    url: str = ""
    model: str = ""

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextlib.contextmanager
def serving(checkpoint: Path, folder: Path) -> Iterator[TinyJudgeServer]:
    """A started server; killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = TinyJudgeServer(folder, [], ready=lambda: server.answers())
    server.url, server.model = f"http://127.0.0.1:{port}", str(checkpoint)
    server.environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(folder / "hub")}
    serve = str(Path(sys.executable).parent / "transformers")
    server.command = [serve, "serve", str(checkpoint), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    server.start()
    try:
        yield server
    finally:
        server.kill()

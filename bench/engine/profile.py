"""Where the time of a turn goes: share of linear layers, attention, head, tower, optimizer and the rest.

torch.profiler knows operations, not the model's parts. Every part is marked while it runs forward; a backward operation
carries the sequence number of the forward one that it belongs to, and is counted to the same part.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

PARTS = ("tower", "head", "attention", "linear", "optimizer", "rest")
MARK = "part:"
HEAD_OPERATIONS = ("cross_entropy", "nll_loss", "log_softmax", "ChunkedLogProb")
BACKWARD = "autograd::engine::evaluate_function"


def profiled(vlm: Any, work: Callable[[], Any]) -> dict[str, float]:
    """Share of each part in the time of `work`: on a GPU of its kernels, else of the CPU."""
    on_gpu = vlm.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with marked(vlm), profile(activities=activities) as found:
        work()
    return shares(found.events(), on_gpu)


@contextmanager
def marked(vlm: Any) -> Iterator[None]:
    """Marks around the model's parts, as long as the block lasts."""
    handles = []
    for name, module in vlm.model.named_modules():
        part = part_of(vlm, name, module)
        if part:
            handles += _mark(module, part)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def part_of(vlm: Any, name: str, module: Any) -> str:
    """The part that a module is, "" for one that is none by itself. LoRA counts to the layer that it is on."""
    if module is vlm.base.get_output_embeddings():
        return "head"
    if name.endswith(("vision_tower", "multi_modal_projector")):
        return "tower"
    if "language_model" not in name:
        return ""
    last = name.rpartition(".")[2]
    return "attention" if last == "self_attn" else "linear" if last.endswith("_proj") else ""


def shares(events: Any, on_gpu: bool) -> dict[str, float]:
    """Of FunctionEvents. An operation belongs to the innermost mark around it."""
    own: dict[int, str] = {}  # sequence number of a forward operation -> its part
    for event in events:
        part = _marked_part(event)
        if part and event.sequence_nr >= 0:
            own.setdefault(event.sequence_nr, part)
    spent: dict[str, float] = defaultdict(float)
    for event in events:
        if event.device_type != DeviceType.CPU:
            continue  # a kernel by itself: the operation that started it has its time
        time = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if time > 0:
            spent[_marked_part(event) or _backward_part(event, own) or _by_name(event)] += time
    whole = sum(spent.values())
    return {part: spent[part] / whole for part in PARTS}


def _mark(module: Any, part: str) -> list[Any]:
    open_marks: list[Any] = []

    def enter(*_: Any) -> None:
        mark = record_function(MARK + part)
        mark.__enter__()
        open_marks.append(mark)

    def leave(*_: Any) -> None:
        open_marks.pop().__exit__(None, None, None)

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]


def _marked_part(event: Any) -> str:
    for one in _around(event):
        if one.name.startswith(MARK):
            return str(one.name).removeprefix(MARK)
        if one.name.startswith("Optimizer.step"):
            return "optimizer"
        if any(word in one.name for word in HEAD_OPERATIONS):
            return "head"
    return ""


def _backward_part(event: Any, own: dict[int, str]) -> str:
    for one in _around(event):
        if one.name.startswith(BACKWARD):
            return own.get(one.sequence_nr, "")
    return ""


def _by_name(event: Any) -> str:
    """Attention's backward is found by name when its number is not."""
    return "attention" if any("scaled_dot_product" in one.name for one in _around(event)) else "rest"


def _around(event: Any) -> Iterator[Any]:
    while event is not None:
        yield event
        event = event.cpu_parent

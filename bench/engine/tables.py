"""Tables of docs/performance.md, each out of one file in bench/results/."""

from collections.abc import Mapping
from typing import Any

GIBIBYTE, MEBIBYTE = 2**30, 2**20
SIDES = {
    "ours": "groundtune",
    "ours_features_kept": "groundtune, image features kept from before",
    "trl": "TRL",
    "trl_answer_head": "TRL, head at answers only (as on a GPU)",
    "trl_reference_given": "the same, reference handed in (TRL has no way to)",
    "transformers": "transformers: `generate`, then teacher-forced",
    "transformers_own_logits": "transformers: `generate`, its own logits",
}
MODELS = {"demo": "demo model", "mid": "mid-size LLaVA", "llava-7b": "LLaVA-1.5-7B shape", "tiny": "tiny LLaVA"}
KINDS = {
    "equal_lengths": ", answers of equal length",
    "ends_by_chance": ", answers end by chance",
    "own_ends": ", answers end by themselves",
}
PARTS = ("linear", "attention", "head", "tower", "optimizer", "rest")
Result = dict[str, Any]


def rates(result: Result, unit: str) -> str:
    """Rate, ratio and memory of every side."""
    lines = [f"| | {unit} a second | groundtune is faster by | memory: model | at peak | added by the work |"]
    lines.append("|---" * 6 + "|")
    for size, case in result["cases"].items():
        for kind, one in case.get("kinds", {"": case}).items():
            lines.append(f"| **{MODELS[size]}{KINDS.get(kind, '')}** | | | | | |")
            lines += [_side(name, side, one, unit) for name, side in one["sides"].items()]
    return _sourced(lines, result, f"Median [quartiles] of {_rounds(result)} rounds.")


def profiles(result: Result) -> str:
    """Where the time goes, in percent of each side's own."""
    lines = [f"| share of the time, % | {' | '.join(PARTS)} |", "|---" * (1 + len(PARTS)) + "|"]
    for size, case in result["cases"].items():
        for kind, one in case.get("kinds", {"": case}).items():
            for name, side in one["sides"].items():
                shares = " | ".join(f"{100 * side['profile'][part]:.0f}" for part in PARTS)
                lines.append(f"| {MODELS[size]}{KINDS.get(kind, '')}: {SIDES[name]} | {shares} |")
    return _sourced(lines, result, "torch.profiler over one turn; LoRA counts to the layer that it is on.")


def memory_ratio(result: Result) -> str:
    """One sentence: peaks against TRL's."""
    found = []
    for size, case in result["cases"].items():
        for name, side in case["sides"].items():
            if name.startswith("trl"):
                ours, theirs = (peak_of(one) for one in (case["sides"]["ours"], side))
                work = added_by(case["sides"]["ours"]) / added_by(side)
                found.append(f"{MODELS[size]} against {SIDES[name]}: {ours / theirs:.2f} x whole, {work:.2f} x added")
    return "Peak memory: " + "; ".join(found) + "."


def losses(result: Result) -> str:
    """How far the sides' losses are apart: they must be the same training."""
    worst = {size: max(case["loss_difference"].values()) for size, case in result["cases"].items()}
    found = ", ".join(f"{value:.0e} ({MODELS[size]})" for size, value in worst.items())
    return f"Largest difference between the sides' losses: {found}."


def selection(result: Result) -> str:
    """Seconds and memory by number of candidates."""
    lines = ["| candidates | pairs | seconds | memory at peak | before it began |", "|---" * 5 + "|"]
    for point in result["cases"]["all"]["points"]:
        peak, loaded = (f"{point[name] / MEBIBYTE:,.0f} MiB" for name in ("peak", "loaded"))
        lines.append(f"| {point['value']:,} | {point['pairs']:,} | {point['seconds']:.1f} | {peak} | {loaded} |")
    return _sourced(lines, result, "`select_pairs` in a process of its own, one core.")


def growth(result: Result) -> str:
    """How steep the curves end."""
    lines = ["| seconds grow with | groundtune | yardstick |", "|---|---|---|"]
    for size, case in result["cases"].items():
        for curve in case["curves"].values():
            first, *_, last = (point["value"] for point in curve["sides"]["ours"])
            ours, other = curve["growth"].values()
            between = f"{MODELS[size]}, {curve['suite']}: {curve['varied']}, {first} to {last}"
            lines.append(f"| {between} | x^{ours:.2f} | x^{other:.2f} |")
    return _sourced(lines, result, "Exponent between the last two points; 1 is linear.")


def gpu(result: Result) -> str:
    """MFU of the training step and tokens a second of sampling."""
    lines = ["| training step | pairs | seconds | MFU | of what a matrix product reaches | peak memory |"]
    lines.append("|---" * 6 + "|")
    for size, case in result["cases"].items():
        for step in case["training"]:
            told = f"{MODELS[size]}{', gradient checkpointing' if step['gradient_checkpointing'] else ''}"
            shares = [f"{100 * step[name]:.1f} %" if step[name] else "" for name in ("mfu", "of_measured_peak")]
            memory = f"{step['peak'] / GIBIBYTE:.1f} GiB"
            cells = [told, str(step["pairs"]), f"{step['seconds']['median']:.3f}", *shares, memory]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"| the same steps: share of the time, % | pairs | {' | '.join(PARTS)} |"]
    lines.append("|---" * (2 + len(PARTS)) + "|")
    for size, case in result["cases"].items():
        for step in case["training"]:
            told = f"{MODELS[size]}{', gradient checkpointing' if step['gradient_checkpointing'] else ''}"
            shares = [f"{100 * step['profile'][part]:.0f}" for part in PARTS]
            lines.append(f"| {' | '.join([told, str(step['pairs']), *shares])} |")
    lines += ["", "| sampling | K | tokens a second | of the limit | what limits |", "|---" * 5 + "|"]
    for size, case in result["cases"].items():
        for one in case["sampling"]:
            rate = f"{one['tokens_per_second']['median']:,.0f}"
            share = f"{100 * one['of_limit']:.0f} %"
            lines.append(f"| {MODELS[size]} | {one['samples']} | {rate} | {share} | {one['limited_by']} |")
    return _sourced(lines, result, "")


def peak_of(side: Mapping[str, Any]) -> int:
    """Bytes: on a GPU of the GPU, else the process's."""
    return int(_kind(side)["peak"])


def added_by(side: Mapping[str, Any]) -> int:
    """Bytes above the loaded model."""
    kind = _kind(side)
    return int(kind["peak"] - kind["loaded"])


def _kind(side: Mapping[str, Any]) -> dict[str, int]:
    memory = side["memory"]
    found: dict[str, int] = memory["device"] if memory["device"]["peak"] else memory["resident"]
    return found


def _side(name: str, side: Mapping[str, Any], one: Mapping[str, Any], unit: str) -> str:
    rate = _spread(side[f"{unit}_per_second"])
    ratio = f"**{_spread(one['ratios'][name])} x**" if name in one["ratios"] else ""
    kind = _kind(side)
    memory = [f"{value / MEBIBYTE:,.0f} MiB" for value in (kind["loaded"], kind["peak"], added_by(side))]
    return f"| {SIDES[name]} | {rate} | {ratio} | {' | '.join(memory)} |"


def _spread(value: Mapping[str, float]) -> str:
    return f"{value['median']:.3g} [{value['low']:.3g}, {value['high']:.3g}]"


def _rounds(result: Result) -> str:
    found = {
        one["rounds"] for case in result["cases"].values() for one in case.get("kinds", {"": case}).values()
    }
    return " or ".join(map(str, sorted(found)))


def _sourced(lines: list[str], result: Result, note: str) -> str:
    """The table, and what measured it: every machine and command once."""
    sources = []
    for case in result["cases"].values():
        machine = case["machine"]
        cores = f"{machine['cores']} cores {machine['processor']}, {machine['threads']} threads"
        where = cores if machine["device"] == "cpu" else machine["gpu"]
        packages = machine["packages"]
        versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)
        text = f"`{machine['command']}` at {machine['commit'][:10]} on {where}; {versions}, trl {machine['trl']}."
        if text not in sources:
            sources.append(text)
    return "\n".join([*lines, "", " ".join([note, *sources]).strip()])

"""Rewrites the measured parts of README.md and docs/results.md from the files in bench/results/.

    python -m bench.pages
"""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.comparison import RESULTS
from bench.retraining import BACK, stories_of
from bench.retraining import FIGURES as ROUNDS_FIGURES
from groundtune.report.comparison import sentences
from groundtune.report.comparison.markdown import markdown as comparison_markdown
from groundtune.report.comparison.page import chart_file, drawings
from groundtune.report.comparison.words import key_metrics
from groundtune.report.rounds.markdown import markdown as rounds_markdown
from groundtune.report.rounds.page import drawings as rounds_drawings
from groundtune.rounds.record import PROMOTED

FIGURES = Path("docs/images/comparison")

NAMES = {
    "chair_s": "captions with a hallucinated object (CHAIRs)",
    "chair_i": "hallucinated object mentions (CHAIRi)",
    "coverage": "objects covered",
    "pope_accuracy": "existence questions right (POPE accuracy)",
    "pope_f1": "POPE F1",
}


def headline(result: dict[str, Any]) -> str:
    """One sentence for the README; numbers in %."""
    means, seeds = result["summary"]["means"], len(result["runs"])

    def change(name: str, mark: str = "") -> str:
        base, aligned = (f"{100 * means[name][side]:.1f} %" for side in ("base", "aligned"))
        return f"{base} → {mark}{aligned}{mark}"

    return (
        f"**Measured on the demo world** (held-out scenes, mean of {seeds} seeds): captions with a hallucinated object "
        f"{change('chair_s', '**')}, objects covered {change('coverage')}, existence questions right "
        f"{change('pope_accuracy')}. [Every seed with its intervals](docs/results.md), from "
        f"`{result['machine']['command']}`."
    )


def alignment_table(result: dict[str, Any]) -> str:
    """Every seed with its paired difference and interval, and the mean."""
    seeds = [run["seed"] for run in result["runs"]]
    lines = [f"| | base | aligned, mean | {' | '.join(f'difference, seed {seed}' for seed in seeds)} |"]
    lines.append("|---" * (3 + len(seeds)) + "|")
    for name, label in NAMES.items():
        means = result["summary"]["means"][name]
        cells = [f"{100 * means[side]:.1f}" for side in ("base", "aligned")]
        cells += [_difference(run["figures"][name]["difference"]) for run in result["runs"]]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return _with_source(lines, result, "In %, 95 % intervals of the paired difference.")


def ablation_table(result: dict[str, Any]) -> str:
    """MFPO part by part: means over seeds, and the paired difference to text-only DPO."""
    summary, seeds = result["summary"], len(result["runs"])
    lines = ["| | CHAIRs (by seed) | against text only | CHAIRi | coverage | POPE, adversarial |", "|---" * 6 + "|"]
    base = summary["base"]
    lines.append("| base model | " + " | ".join([_percent(base["chair_s"]), "", *_others(base)]) + " |")
    for row, means in summary["means"].items():
        by_seed = ", ".join(_percent(value) for value in summary["by_seed"][row]["chair_s"])
        difference = summary.get("chair_s_difference_to_text_only", {}).get(row)
        cells = [f"{_percent(means['chair_s'])} ({by_seed})", _difference(difference) if difference else ""]
        lines.append(f"| {row} | " + " | ".join([*cells, *_others(means)]) + " |")
    note = f"In %, mean of {seeds} seeds; 95 % intervals over images of the paired difference."
    return _with_source(lines, result, note)


def probe_table(result: dict[str, Any]) -> str:
    """The modality probe: base model and three ways of training, means over seeds."""
    rows = list(result["runs"][0]["probes"])
    lines = [f"| | base | {' | '.join(rows)} |", "|---" * (2 + len(rows)) + "|"]
    for name in result["runs"][0]["probes"][rows[0]]:
        cells = []
        for side, row in (("base", rows[0]), *(("aligned", row) for row in rows)):
            found = [run["probes"][row][name][side] for run in result["runs"]]
            cells.append(f"{sum(f['value'] for f in found) / len(found):.3f}" if all(found) else "")
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    return _with_source(lines, result, f"Means of {len(result['runs'])} seeds.")


def speed_table(result: dict[str, Any]) -> str:
    """Ratios of the objective step."""
    lines = ["| | packed, reference cached | and image features kept | loss differs by |", "|---" * 4 + "|"]
    for name, case in result["cases"].items():
        ratios = [f"{case[key]:.2f} x" for key in ("speedup", "speedup_features_kept")]
        lines.append(f"| {name} | {' | '.join(ratios)} | {case['agreement']['loss']:.0e} |")
    return _with_source(lines, result, "Speed against the plain three-pass step with its reference on the fly.")


def regions_table(result: dict[str, Any]) -> str:
    """Both kinds of patch features on phrases with and without colour."""
    lines = ["| features, phrases | precision | recall | there, not found | absent, found | AUC |", "|---" * 6 + "|"]
    for features, found in result["patch_features"].items():
        for kind in ("kind", "kind with colour"):
            case = found[kind]
            figures = [_percent(case["boxes"]["precision"]), _percent(case["boxes"]["recall"])]
            figures += [_percent(case["not_found"]), _percent(case["absent_found"]), f"{case['auc']:.3f}"]
            lines.append(f"| {features}, {kind} | {' | '.join(figures)} |")
    whole = ", ".join(f"{n} {_percent(found['whole_image_share'])}" for n, found in result["patch_features"].items())
    return _with_source(lines, result, f"In %. Scenes that fall back to the whole image: {whole}.")


def keywords_table(result: dict[str, Any]) -> str:
    """Answers a second by tagger."""
    lines = ["| tagger, word similarity | seconds | answers a second | share of PageRank |", "|---|---|---|---|"]
    for run in result["runs"]:
        speed, share = run["answers_per_second"], run["share_of_pagerank"]
        lines.append(f"| {run['tagger']} | {run['seconds']:.0f} | {speed:,.0f} | {share:.0%} |")
    return _with_source(lines, result, "On shared cores.")


def throughput_table(result: dict[str, Any]) -> str:
    """POPE's questions in batches, as ratios to one at a time, and how many answers are the same."""
    lines = ["| | questions, images | against plain transformers | against our own, one a batch | equal answers |"]
    lines.append("|---" * 5 + "|")
    for name, case in result["cases"].items():
        others = [case["ours_to_plain_transformers"], case["ours_to_one_a_batch"]]
        ratios = [f"{other['median']:.1f} x [{other['low']:.1f}, {other['high']:.1f}]" for other in others]
        equal = ", ".join(f"{100 * other['answers']['equal']:.4g} %" for other in others)
        lines.append(f"| {name} | {case['questions']}, {case['images']} | {' | '.join(ratios)} | {equal} |")
    return _with_source(lines, result, "Ratios of questions a second, median [lowest, highest] of the rounds.")


def engines_table(result: dict[str, Any]) -> str:
    """vLLM beside our own sampling engine."""
    lines = ["| greedy answers | prompts | distinct | equal, token by token |", "|---|---|---|---|"]
    names = {
        "greedy": "demo model",
        "greedy_adapter": "demo model, random LoRA adapter",
        "greedy_next": "random LLaVA-1.6",
    }
    for name, label in names.items():
        case = result[name]
        lines.append(f"| {label} | {case['prompts']} | {case['distinct_answers']} | {100 * case['equal']:.4g} % |")
    pools, batches = result["pools"], result["batches"]
    columns = "mean confidence, nats a token | distinct answers a pool | tokens an answer | unfinished"
    lines += ["", f"| {pools['prompts']} pools of 8 | {columns} |", "|---" * 5 + "|"]
    for engine in ("transformers", "vllm"):
        found = pools[engine]
        figures = f"{found['confidence']:.3f} | {found['distinct_per_pool']:.2f} | {found['tokens']:.1f}"
        lines.append(f"| {engine} | {figures} | {found['unfinished']} |")
    difference, error = pools["confidence_difference"], pools["confidence_standard_error"]
    note = (
        f"Difference of confidence {difference:+.3f}, standard error over prompts {error:.3f}. vLLM's pools drawn "
        f"again in batches of 5 prompts, not 16: {100 * batches['equal']:.4g} % the same. CPU build of vLLM "
        f"{result['vllm']['version']}."
    )
    return _with_source(lines, result, note)


def comparison_sentence(result: dict[str, Any]) -> str:
    """What the README says of a comparison: the verdict, and captions with a hallucinated object beside coverage."""
    study = result["study"]
    verdict = study["verdict"]
    found = {method["name"]: method["figures"] for method in study["methods"]} | {"the base model": study["base"]}

    def shown(name: str) -> str:
        said, covered = (_percent(found[name][key]["value"]) for key in ("chair/chairs", "chair/recall"))
        return f"{name} {said} ({covered})"

    names = ["the base model", verdict["champion"], *verdict["baselines"]]
    return (
        f"On the demo world, {len(study['seeds'])} seeds: **{sentences.headline(study)}** Captions with a hallucinated "
        f"object (and objects covered), in %: {', '.join(map(shown, names))}. [All of it](docs/results.md), from "
        f"`{result['machine']['command']}`."
    )


def comparison_charts(name: str, result: dict[str, Any]) -> dict[str, str]:
    """File name -> SVG: of a study's curves where it has any, else of all methods side by side."""
    study = result["study"]
    side_by_side = {chart_file(key) for key in key_metrics(study)}
    drawn = sorted(drawings(study).items())
    return {f"{name}-{file}": svg for file, svg in drawn if (file in side_by_side) != bool(study["curves"])}


def comparison_block(name: str, result: dict[str, Any]) -> str:
    """Verdict, tables and charts of a comparison of methods. name: of its file."""
    study = result["study"]
    charts = [f"![{file.removesuffix('.svg')}](images/comparison/{file})" for file in comparison_charts(name, result)]
    machine = result["machine"]
    runs = [f"{one['trainings']} trainings in {one['seconds'] / 60:.0f} min" for one in result["spent"]]
    took = f"{', then '.join(runs)} on {machine['cores']} cores" if runs else "all trained by other runs"
    source = f"`{machine['command']}` at {machine['commit'][:10]}; {took}."
    return "\n\n".join([comparison_markdown(study).strip(), *charts, source])


def pair_truth_table(result: dict[str, Any]) -> str:
    """How often a method's pairs are right."""
    lines = [
        "| pairs of | y_w hallucinates | y_l hallucinates | right order | by colour alone | wrong order | "
        "y_w, y_l cover | y_w, y_l: nats a token | tokens of y_w, y_l |",
        "|---" * 9 + "|",
    ]
    for name, found in result["methods"].items():
        keys = ("chosen_hallucinates", "rejected_hallucinates", "right", "right_by_colour", "wrong")
        shares = [_percent(found[key]) for key in keys]
        covers = ", ".join(_percent(found[f"{side}_covers"]) for side in ("chosen", "rejected"))
        tokens = ", ".join(f"{found[f'{side}_tokens']:.0f}" for side in ("chosen", "rejected"))
        believed = ", ".join(f"{found[f'{side}_confidence']:.2f}" for side in ("chosen", "rejected"))
        lines.append(f"| {name} | {' | '.join([*shares, covers, believed, tokens])} |")
    pools, seeds = result["pools"], len(result["seeds"])
    said, ordered = _percent(pools["hallucinates"]), _percent(pools["ordered_right"])
    note = (
        f"In %, all pairs of {seeds} seeds. {said} % of sampled answers name an object that is not there; MAS orders "
        f"two answers of a pool that differ in it right in {ordered} %."
    )
    return _with_source(lines, result, note)


def retraining_block(result: dict[str, Any]) -> str:
    """Rounds as a table, the champion's figures, and what the planted round and the rollback showed."""
    told = stories_of(result)
    planted, back = told[-1], result["rollback"]
    assert planted.record is not None
    rules = planted.record.verdict["rules"]
    failed = [rule["asked"] for rule in rules if not rule["holds"]]
    lines = [rounds_markdown(told).strip()]
    lines += [f"![{name}](images/retraining/{name})" for name in sorted(rounds_drawings(told))]
    lines.append(
        f"Round {planted.number} was planted: its scores were shuffled (`{result['planted']['setting']}`). It was "
        f"**{planted.state}**; {len(failed)} of {len(rules)} rules failed: {'; '.join(failed)}."
    )
    changed, lost = (back[key] for key in BACK)
    lines.append(
        f"Promoted by hand all the same, that version answered {changed} of {back['questions']} questions otherwise; "
        f"after `rollback` {back['questions'] - lost} of {back['questions']} were answered as before."
    )
    note = f"{result['seconds'] / 60:.0f} minutes on 2 cores."
    return _with_source(["\n\n".join(lines)], result, note)


def retraining_sentence(result: dict[str, Any]) -> str:
    """For the README: the champion's CHAIRs over the rounds, and what became of the planted one."""
    told = stories_of(result)
    values: list[float] = []
    for one in told[:-1]:
        assert one.record is not None
        champion, challenger = (one.record.figures[who]["chair/chairs"]["value"] for who in ("champion", "challenger"))
        values = [*(values or [champion]), challenger if one.state == PROMOTED else champion]
    return (
        f"On the demo world the champion's captions with a hallucinated object went "
        f"{' → '.join(map(_percent, values))} % over "
        f"{len(told) - 1} rounds; a planted round of shuffled scores was {told[-1].state}. "
        f"[All of it](docs/retraining.md), from `{result['machine']['command']}`."
    )


def _others(figures: dict[str, float]) -> list[str]:
    return [_percent(figures[name]) for name in ("chair_i", "coverage", "pope_adversarial_accuracy")]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _with_source(lines: list[str], result: dict[str, Any], note: str) -> str:
    machine = result["machine"]
    return "\n".join([*lines, "", f"{note} `{machine['command']}` at {machine['commit'][:10]}."])


def _difference(figure: dict[str, float]) -> str:
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def rewrite(page: Path, block: str, text: str) -> None:
    """Replace what stands between `<!-- block -->` and `<!-- end of block -->`."""
    start, end = f"<!-- {block} -->", f"<!-- end of {block} -->"
    pattern = re.escape(start) + ".*?" + re.escape(end)
    text_now = page.read_text()
    if start not in text_now:
        raise ValueError(f"{page} has no place for {block}: put `{start}` and `{end}` where it belongs")
    page.write_text(re.sub(pattern, lambda _: f"{start}\n{text}\n{end}", text_now, flags=re.DOTALL))


COMPARISONS = sorted(file.stem for file in RESULTS.glob("comparison_*.json"))
# block of docs/results.md -> (file in bench/results, what is made of it)
BLOCKS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "demo_alignment": ("demo_alignment", alignment_table),
    "demo_plain_dpo": ("demo_plain_dpo", alignment_table),
    "mfpo_ablation": ("mfpo_ablation", ablation_table),
    "mfpo_claims": ("mfpo_claims", ablation_table),
    "mfpo_probe": ("mfpo_ablation", probe_table),
    "objective_step": ("objective_step", speed_table),
    "regions": ("regions", regions_table),
    "keywords": ("keywords", keywords_table),
    "pope_throughput": ("pope_throughput", throughput_table),
    "pair_truth": ("pair_truth", pair_truth_table),
    "sampling_engines": ("sampling_engines", engines_table),
    **{name: (name, partial(comparison_block, name)) for name in COMPARISONS},
}


RETRAINING = "retraining_demo"


def main() -> None:
    found = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name, _ in BLOCKS.values()}
    FIGURES.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, str] = {}
    for name in COMPARISONS:
        drawn |= comparison_charts(name, found[name])
    for old in FIGURES.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    for file, svg in drawn.items():
        (FIGURES / file).write_text(svg)
    rewrite(Path("README.md"), "demo_alignment", headline(found["demo_alignment"]))
    rewrite(Path("README.md"), "comparison_demo", comparison_sentence(found["comparison_demo"]))
    for block, (name, made) in BLOCKS.items():
        rewrite(Path("docs/results.md"), block, made(found[name]))
    rounds = json.loads((RESULTS / f"{RETRAINING}.json").read_text())
    ROUNDS_FIGURES.mkdir(parents=True, exist_ok=True)
    for file, svg in rounds_drawings(stories_of(rounds)).items():
        (ROUNDS_FIGURES / file).write_text(svg, encoding="utf-8")
    rewrite(Path("docs/retraining.md"), RETRAINING, retraining_block(rounds))
    rewrite(Path("README.md"), "retraining_sentence", retraining_sentence(rounds))


if __name__ == "__main__":
    main()

"""open_round: what a retraining begins with: the lease, the rows that arrived, the champion."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def open_round(
    inbox: str,
    rounds_root: str,
    settings: dict,
    registry: dict,
    gate: dict,
    evaluation: dict,
    prepare: dict,
    summary: dsl.Output[dsl.Markdown],
) -> NamedTuple(
    "Opened",
    [
        ("Output", bool),  # the one name of which kfp.local lets a condition ask
        ("place", str),
        ("rows", str),
        ("champion", str),
        ("reign", int),
        ("champion_adapter", str),
        ("champion_base", str),
        ("policy_adapter", str),
    ],
):
    """Output: whether there is a round; without enough new rows, or while another retraining runs, there is none."""
    from groundtune.retraining import opening

    return opening.run(inbox, rounds_root, summary.path, settings, registry, gate, evaluation, prepare)

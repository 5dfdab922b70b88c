"""close_round: the decision is kept and followed, and the round ended."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def close_round(
    rounds_root: str,
    place: str,
    verdict: dsl.Input[dsl.Artifact],
    pairs: dsl.Input[dsl.Dataset],
    challenger: str,
    champion: str,
    reign: int,
    policy_adapter: str,
    drift: dict,
    settings: dict,
    registry: dict,
) -> str:
    """Returns the round's state: promoted or refused. Of two that promote at the same moment one fails here."""
    from groundtune.retraining import closing
    from groundtune.rounds.record import PROMOTED, REFUSED

    record = closing.run(
        rounds_root,
        place,
        verdict.path,
        pairs.path,
        challenger,
        champion,
        reign,
        policy_adapter,
        drift,
        settings,
        registry,
    )
    return PROMOTED if record.promote else REFUSED

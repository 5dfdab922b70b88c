"""How the models of the cut-outs' world are built: in minutes, on fewer scenes than the drawn one's."""

from groundtune.demo.build import BuildSettings
from groundtune.demo.clip_settings import ClipSettings
from groundtune.demo.llava_training import LlavaSettings

# Sentences tell kinds and places, no colours and numbers: fewer of them, and fewer steps, teach what there is to tell.
CUTOUT_BUILD = BuildSettings(
    scenes=12_000,
    clip=ClipSettings(naming_steps=1200, steps=300, true_claims=2, false_claims=2),
    llava=LlavaSettings(mixed_steps=900),
)

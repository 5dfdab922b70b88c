"""The container images of the components. Set the variables before importing to compile with other references."""

import os

STAGE = os.environ.get("GROUNDTUNE_STAGE_IMAGE", "groundtune/stage-python:0.1.0")
LIGHT = os.environ.get("GROUNDTUNE_LIGHT_IMAGE", "groundtune/light-python:0.1.0")

"""The container images of the components, as tags for development.

A role is a folder of images/. `python -m pipelines compile --images images.lock` puts the lock's references, by
digest, in the place of these tags: pipelines/image_lock.py.
"""

STAGE = "groundtune/stage-python:0.1.0"
LIGHT = "groundtune/light-python:0.1.0"
SAMPLER = "groundtune/sampler-vllm-python:0.1.0"  # of sample_candidates, when vLLM is its engine: pipelines/packages.py
# Every image that skaffold builds; no component runs in the tracking server's.
ROLES = {"stage": STAGE, "light": LIGHT, "sampler-vllm": SAMPLER, "tracking": "groundtune/tracking-python:0.1.0"}

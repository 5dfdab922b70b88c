"""Every overlay, rendered once by kubectl's kustomize."""

import pytest

from tests.rendered import OVERLAYS, Item, rendered


@pytest.fixture(params=OVERLAYS, ids=lambda path: path.name)
def overlay(request: pytest.FixtureRequest) -> list[Item]:
    return rendered(request.param)

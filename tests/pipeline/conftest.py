"""The world that most tests of this folder start from."""

from collections.abc import Iterator

import pytest

from tests.pipeline.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """One worker that knows no key yet."""
    world = World()
    yield world
    world.verifier.close()

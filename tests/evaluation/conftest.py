"""Small recordings made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Worker processes import `toy_systems` by name, as they would a user's module.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def clips(tmp_path):
    """A folder of recordings that a test may change."""
    from toy_recordings import make_clips

    return make_clips(tmp_path / "clips")

"""The folder with public X12 samples."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder with public samples, in folders 835, 837 and 277ca."""
    folder = os.environ.get("SETTLE_X12_DIR")
    if not folder:
        pytest.skip("SETTLE_X12_DIR does not name the folder with the X12 samples")
    return Path(folder)

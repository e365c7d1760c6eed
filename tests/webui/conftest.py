"""A broker that is not well."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def mute_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that takes every connection and never answers, as one that is paused."""
    path = Path(tmp_path_factory.mktemp("b")) / "s"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen(100)
        yield f"redis+socket://{path}?virtual_host=0"

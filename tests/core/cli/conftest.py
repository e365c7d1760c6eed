"""`settle`, typed against this test's database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.cli import TRACE_VARIABLE, main
from core.settings import load_settings

Typed = Callable[..., Result]


@pytest.fixture
def typed(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Typed]:
    """Yield the command on this test's database, in a separate folder and without a terminal."""
    monkeypatch.setenv("SETTLE_DATABASE_URL", database_url)
    monkeypatch.setenv(TRACE_VARIABLE, "1")  # an error in a command fails the test
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield lambda *words, **more: CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False, **more)
    load_settings.cache_clear()

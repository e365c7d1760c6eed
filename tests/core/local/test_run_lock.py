"""One run per data folder; other commands find its servers."""

import stat
from pathlib import Path

import pytest

from core.local import run_lock
from core.local.run_lock import AlreadyRunning, RunningServers
from core.local.saved_secret import load_or_create_secret

SERVERS = RunningServers(
    "postgresql://d", "postgresql://w", "postgresql://k", "redis://b", "http://127.0.0.1:8000", "http://127.0.0.1:5555"
)


def test_a_second_run_in_the_folder_is_refused_with_the_address_of_the_first(tmp_path: Path) -> None:
    with run_lock.lock_data_dir(tmp_path):
        run_lock.publish_servers(tmp_path, SERVERS)

        with (
            pytest.raises(AlreadyRunning, match=r"already running in .* at http://127.0.0.1:8000"),
            run_lock.lock_data_dir(tmp_path),
        ):
            pass


def test_the_servers_of_a_run_are_found_only_while_it_lasts(tmp_path: Path) -> None:
    assert run_lock.find_running_servers(tmp_path) is None
    with run_lock.lock_data_dir(tmp_path):
        assert run_lock.find_running_servers(tmp_path) is None
        run_lock.publish_servers(tmp_path, SERVERS)
        assert run_lock.find_running_servers(tmp_path) == SERVERS
    assert run_lock.find_running_servers(tmp_path) is None


def test_the_server_file_of_a_killed_run_is_ignored(tmp_path: Path) -> None:
    run_lock.publish_servers(tmp_path, SERVERS)
    (tmp_path / "lock").touch()

    assert run_lock.find_running_servers(tmp_path) is None


def test_the_server_file_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    with run_lock.lock_data_dir(tmp_path):
        run_lock.publish_servers(tmp_path, SERVERS)
        assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600


def test_a_secret_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    made = load_or_create_secret(tmp_path, "secret_key")

    assert len(made) >= 32
    assert load_or_create_secret(tmp_path, "secret_key") == made
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600

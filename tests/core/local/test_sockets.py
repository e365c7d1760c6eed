"""Socket folders: private, short, and owned by this user."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from core.local.broker import Broker
from core.local.guardian import Guardian
from core.local.sockets import NoSocketFolder, socket_folder
from tests.servers import broker_client


def test_a_short_plain_path_is_used_and_made_private(folder: Path) -> None:
    assert socket_folder(folder / "socket") == folder / "socket"
    assert stat.S_IMODE((folder / "socket").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["long" * 30, "with blank", "100%"])
def test_servers_run_from_a_folder_whose_path_is_invalid_for_a_socket(
    folder: Path, guardian: Guardian, name: str
) -> None:
    with Broker(folder / name / "broker", guardian, log=folder / "broker.log") as broker:
        elsewhere = socket_folder(folder / name / "broker" / "socket")
        assert broker_client(broker.url).ping()
        assert len(str(elsewhere)) < 60
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
    shutil.rmtree(elsewhere)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    theirs = folder / "socket"
    theirs.mkdir()
    os.chown(theirs, 12_345, 12_345)

    with pytest.raises(NoSocketFolder, match="belongs to another user"):
        socket_folder(theirs)


def test_a_symbolic_link_in_its_place_is_refused(folder: Path) -> None:
    (folder / "socket").symlink_to(folder)

    with pytest.raises(NoSocketFolder):
        socket_folder(folder / "socket")

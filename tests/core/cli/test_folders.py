"""Watched folders by command."""

import json

from core.db.engine import Sessions
from tests.core.cli.conftest import Typed
from tests.factories import a_practice


def test_a_folder_is_watched_for_one_practice_until_it_is_stopped(settle: Typed, sessions: Sessions) -> None:
    a_practice(sessions)
    a_practice(sessions, name="Hill")
    mine = ("--practice", "Lakeside", "--as", "biller@lakeside.example")
    done = settle("folder", "watch", "era", *mine, "--import-clean")
    assert done.stdout == "Workers look into the folder era for Lakeside.\n"

    taken = settle("folder", "watch", "era", "--practice", "Hill", "--as", "biller@hill.example")

    assert taken.stderr == "Another practice has this folder. Give each practice its own.\n"
    words = "Lakeside: folder era, biller@lakeside.example, imports what is clean, not looked yet\n"
    assert settle("folder", "list").stdout == words
    assert settle("folder", "watch", "era", *mine).exit_code == 0, "it replaces the earlier choice"
    (only,) = json.loads(settle("folder", "list", "--json").stdout)
    assert (only["folder"], only["imports_clean"], only["problem"]) == ("era", False, None)
    assert settle("folder", "stop", *mine).stdout == "No folder is watched for Lakeside.\n"
    assert settle("folder", "stop", *mine).stderr == "This practice has no watched folder.\n"
    assert settle("folder", "list").stdout == "No folder is watched.\n"

"""Two real workers look into one folder, both are killed in the middle, and each file is imported once."""

import json
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import text

from core.db.engine import Sessions
from core.intake.watched_folders import setup
from core.settings import QUEUE_CONTROL, QUEUE_SETTLE, TASK_IMPORT, TASK_TICK
from tests.factories import a_practice
from tests.servers import broker_client
from tests.waiting import eventually
from tests.workers import Workers, running_workers
from tests.x12_files import PLAIN, claim_loop, sent_file

FILES = 6


def assert_a_tick_sends_a_hint(workers: Workers, broker_url: str) -> None:
    """Tick without workers that import, once a look is due again: their queue gets a hint."""
    broker = broker_client(broker_url)

    def is_hinted() -> bool:
        workers.hint(TASK_TICK, queue=QUEUE_CONTROL)
        waiting = broker.lrange("settle:settle", 0, -1)
        return TASK_IMPORT in {json.loads(one)["headers"]["task"] for one in waiting}

    eventually(is_hinted, seconds=30)


def test_files_are_imported_once_though_workers_are_killed_and_compete(
    sessions: Sessions, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    practice = a_practice(sessions)
    root, home = tmp_path / "root", tmp_path / "root" / "lakeside"
    home.mkdir(parents=True)
    practice.act(setup.watch, "lakeside", imports_clean=True)
    for number in range(FILES):
        (home / f"{number}.837").write_text(PLAIN.write(sent_file(claim_loop(f"A{number}"))))

    def is_claimed() -> bool:
        return len(list(home.glob("claimed/*/*.837"))) == FILES

    def count(query: str) -> int:
        with sessions() as session:
            return int(session.scalar(text(f"SELECT count(*) FROM {query}")) or 0)

    with ExitStack() as stack:
        with sessions() as other:
            other.execute(text("SELECT id FROM app_user FOR UPDATE"))  # the import waits for its user
            workers = stack.enter_context(
                running_workers(
                    folder=tmp_path, database_url=database_url, broker_url=broker_url, WATCH_DIR=str(root),
                    WATCH_SECONDS="1",
                )
            )  # fmt: skip
            second = workers.another(QUEUE_SETTLE, name="second")
            second.begin()
            eventually(is_claimed, seconds=30)
            workers.settle.kill()
            second.kill()
            eventually(lambda: not (workers.settle.is_running() or second.is_running()))
        assert is_claimed()
        assert count("import_job") == 0
        assert_a_tick_sends_a_hint(workers, broker_url)

        workers.settle.begin()
        second.begin()
        eventually(lambda: len(list(home.glob("done/*.837"))) == FILES, seconds=60)
        second.kill()

    assert (count("claim"), count("import_job"), count("import_job WHERE status = 'imported'")) == (FILES, 1, 1)
    assert not list(home.glob("claimed/*"))

"""One process of a worker imports at a time. If that process dies, another one can take its turn."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

from worker import import_turn


def hold_turn(answer: Connection) -> None:
    """Take the turn, say so, and keep it."""
    with import_turn.try_import_turn() as is_mine:
        answer.send(is_mine)
        signal.pause()


def test_a_turn_is_taken_by_one_process_until_it_dies() -> None:
    answer, theirs = multiprocessing.Pipe()
    pool_process = multiprocessing.get_context("fork").Process(target=hold_turn, args=(theirs,))
    pool_process.start()
    assert answer.recv()

    with import_turn.try_import_turn() as is_mine:
        assert not is_mine
    assert import_turn.is_importing()
    assert pool_process.pid is not None
    os.kill(pool_process.pid, signal.SIGKILL)
    pool_process.join()

    assert not import_turn.is_importing()
    with import_turn.try_import_turn() as is_mine:
        assert is_mine
    answer.close()
    theirs.close()

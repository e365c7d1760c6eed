"""Functions that start at the same time in threads. The test checks what each of them raised."""

import threading
from collections.abc import Callable


def outcomes_at_once(*acts: Callable[[], object]) -> list[BaseException | None]:
    """Run the acts in threads that start at the same time. Return what each raised, in the given order."""
    barrier = threading.Barrier(len(acts))
    outcomes: list[BaseException | None] = [None] * len(acts)

    def run(index: int, act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001  the test checks which exception it was
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def raised_at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """Run the acts in threads that start at the same time. Return what they raised."""
    return [error for error in outcomes_at_once(*acts) if error is not None]

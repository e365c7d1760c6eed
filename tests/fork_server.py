"""A program that forks the product's processes. It imports their libraries once, because imports take most of a start.

A fork runs `python -m MODULE` with its own arguments, environment, folder, output and session, as a new interpreter
would. Its parent is the process that started this program.
"""

import gc
import importlib
import json
import os
import runpy
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

# What the processes import, except `worker`, which reads the settings when it is imported.
PRELOADED: Final = (
    "celery.apps.beat", "celery.apps.worker", "celery.bin.celery", "celery.concurrency.prefork", "celery.fixups.django",
    "core.delivery.retention", "core.delivery.send", "core.intake.uploads.run", "core.intake.watched_folders.look",
    "core.watch.pulse", "gunicorn.app.wsgiapp", "kombu.transport.redis", "webui.server.web_worker", "webui.server.wsgi",
)  # fmt: skip
MESSAGE_BYTES_MAX: Final = 128 * 1024


def fork_until_closed(asked: socket.socket) -> dict[str, Any] | None:
    """Fork a child for each message and answer with its id. Return the message in a child, and None at the end."""
    while True:
        message, outputs, _, _ = socket.recv_fds(asked, MESSAGE_BYTES_MAX, 1)
        if not message:
            return None
        read, write = os.pipe()
        middle = os.fork()
        if not middle and os.fork():
            os._exit(0)
        if not middle:
            asked.close()
            os.close(read)
            os.setsid()
            os.write(write, str(os.getpid()).encode())  # only now, so that who asked finds it in its own session
            os.close(write)
            for number in (sys.stdout.fileno(), sys.stderr.fileno()):
                os.dup2(outputs[0], number)
            os.close(outputs[0])
            return json.loads(message)
        os.close(write)
        os.close(outputs[0])
        pid = os.read(read, 32)
        os.close(read)
        os.waitpid(middle, 0)  # now the child's parent is the nearest process that adopts orphans
        asked.send(pid)


def run(module: str, *arguments: str, env: dict[str, str], folder: str) -> None:
    """Become `python -m module`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # TMPDIR is read again
    sys.path[0] = folder
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _check_state() -> None:
    """Fail if a preloaded module started a thread, opened a file or read the settings."""
    from core.settings import load_settings

    assert len(list(Path("/proc/self/task").iterdir())) == 1
    assert load_settings.cache_info().currsize == 0
    opened = {int(one.name) for one in Path("/proc/self/fd").iterdir() if one.exists()}
    assert opened <= {0, 1, 2, int(sys.argv[1])}, opened


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _check_state()
    wanted = fork_until_closed(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        run(*wanted["words"], env=wanted["env"], folder=wanted["folder"])

"""A file whose age tells a container's health check whether this process still makes its rounds."""

from celery.signals import beat_init, before_task_publish

from core.settings import settings


def touch(**_: object) -> None:
    """Make the file new, where one is named."""
    file = settings().alive_file
    if file is not None:
        file.touch()


@beat_init.connect
def touch_with_every_beat(**_: object) -> None:
    """A round of beat is what it sends, whether or not the broker takes it."""
    touch()
    before_task_publish.connect(touch)

"""Read the practice's files."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # what, done, total

"""The file that shows that worker and beat are making progress."""

from core.local.health_file import touch

__all__ = ["touch"]

"""The file that shows that worker and beat make their rounds."""

from core.local.health_file import touch

__all__ = ["touch"]

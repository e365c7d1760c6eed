"""The file that shows that worker and beat make their rounds."""

from core.local.alive import touch

__all__ = ["touch"]

"""A server that this product starts for itself."""

from abc import ABC, abstractmethod
from typing import Self

from core.local.guardian import Child


class LocalServer(ABC):
    """One server with its folder. It runs for the length of its `with` block."""

    _child: Child | None = None

    @property
    def child(self) -> Child:
        """Return the running server."""
        assert self._child is not None, "not started"
        return self._child

    @abstractmethod
    def start(self) -> Child:
        """Start it and wait until it answers. Raise a `Refusal`."""

    def stop(self) -> None:
        """Stop it, and wait until it has stored its data."""
        if self._child is not None:
            self._child.stop()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

"""Counts with their nouns: "1 claim", "2,000 claims"."""


def counted(count: int, one: str, many: str = "") -> str:
    """Return the number with its noun. `many` is the plural, if adding an s is not enough."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"

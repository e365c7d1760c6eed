"""How a number of things is said: "1 claim", "2,000 claims"."""


def counted(count: int, one: str, many: str = "") -> str:
    """The number with its noun; `many` where an s does not make it."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"

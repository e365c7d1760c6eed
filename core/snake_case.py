"""Names of classes as programs and tables write them."""

import re


def snake_case(name: str) -> str:
    """Return a class's name in snake_case: `BadInput` is `bad_input`."""
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()

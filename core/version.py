"""The version of this code."""

from functools import cache


@cache
def product_version() -> str:
    """Return the version of this code."""
    # Imported here, because it parses e-mails and most commands never ask for the version.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("batch-settle")
    except PackageNotFoundError:
        return "unknown"  # run from a folder that was never installed

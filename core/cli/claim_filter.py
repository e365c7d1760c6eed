"""The option --filter."""

from typing import Final

import click

from core.claims.claim_filter import ClaimFilter

filter_option: Final = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Select the claims that match. Repeat a KEY to match any of its values.",
)


def parse_filters(pairs: tuple[str, ...]) -> dict[str, object]:
    """Read repeated --filter KEY=VALUE options as a filter in JSON. A repeated key means any of its values."""
    given: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise click.UsageError(f"--filter {pair}: write KEY=VALUE, for example total_due_max_cents=5000")
        given.setdefault(key, []).append(value)
    return ClaimFilter.from_texts({key: v[0] if len(v) == 1 else v for key, v in given.items()}).given()

"""`make bench`: the table of ratios, all rows or some, at full or small size."""

import datetime as dt
import time
from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    away,
    importing,
    large,
    places,
    reading,
    recovery,
    remittances,
    row_security,
    running,
    settling,
    slow,
    x12,
)
from tests.benchmarks.against.rows import rows as against_rows
from tests.benchmarks.measure import Row
from tests.benchmarks.runs import Sizes

# `away` comes last because it kills the broker. `large` runs only if it is named.
PARTS = {
    "settling": settling.rows, "row_security": row_security.rows,
    "reading": reading.rows, "running": running.rows, "importing": importing.rows,
    "recovery": recovery.rows, "slow": slow.rows, "x12": x12.rows, "remittances": remittances.rows, "away": away.rows,
    "large": large.rows,
}  # fmt: skip


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--claims", type=int, help="The number of claims in the first row. The other rows shrink in proportion.")
@click.option("--times", type=int, default=3, show_default=True, help="How many times to measure the first row.")
@click.option("--against", "version", metavar="VERSION", help="Compare only with an earlier version, such as v0.1.0.")
def main(parts: tuple[str, ...], claims: int | None, times: int, version: str | None) -> None:
    """Measure PARTS (by default all but `large`) and print the table."""
    sizes = _sizes(claims, times)
    console = Console(width=150)
    begun = time.monotonic()
    with places.running() as place:
        console.print(place.settings())
        if version is not None:
            measured = against_rows(place, version, sizes)
        else:
            measured = (row for part in parts or [*PARTS][:-1] for row in PARTS[part](place, sizes))
        rows = list(_shown(measured, console))
    console.print(_table(rows))
    console.print(f"took {dt.timedelta(seconds=round(time.monotonic() - begun))}")


def _sizes(claims: int | None, times: int) -> Sizes:
    full = Sizes(times=times)
    if claims is None:
        return full
    share = claims / full.settled
    return Sizes(
        settled=claims,
        by_task=max(200, round(full.by_task * share)),
        by_orm_chunk=max(1_000, round(full.by_orm_chunk * share)),
        many=max(1_000, round(full.many * share)),
        imported=max(1_000, round(full.imported * share)),
        x12_bytes=max(10_000_000, round(full.x12_bytes * share)),
        times=times,
    )


def _shown(rows: Iterable[Row], console: Console) -> Iterator[Row]:
    """Print each row when it is measured, so that a run that is cut off keeps what it has."""
    for row in rows:
        against = f" / {row.baseline}" if row.baseline else ""
        console.print(f"{row.what}: {row.product}{against} {row.ratio}", highlight=False)
        yield row


def _table(rows: list[Row]) -> Table:
    table = Table("what", "product", "baseline", "ratio", "min", "")
    for row in rows:
        table.add_row(row.what, row.product, row.baseline, row.ratio, row.at_least, "✓" if row.reached else "✗")
    return table


if __name__ == "__main__":
    main()

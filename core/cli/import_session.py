"""Run an import with a progress bar, and list its errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from core.cli import context, database, practices
from core.cli.import_options import Asked
from core.cli.import_output import print_import
from core.intake.loading.imported import AS_NEW, Imported, ImportOptions
from core.intake.parsing.faults import ImportRefused
from core.intake.parsing.folder import Progress


@contextmanager
def import_session(asked: ImportOptions = AS_NEW) -> Iterator[tuple[Session, Progress | None]]:
    """Run an import in one transaction with a progress bar. Print each error before the refusal that counts them.

    A check is rolled back.
    """
    with progress_bar() as progress:
        try:
            with database.transaction() as session:
                yield session, progress
                if asked.check_only:
                    session.rollback()
        except ImportRefused as refused:
            for fault in refused.faults:
                click.echo(str(fault), err=True)
            raise


def run_import(
    importer: Callable[..., Imported],
    source: Any,
    asked: Asked,
    *,
    gives_totals: bool = False,
    also: Callable[[Session], object] = lambda _: None,
    **more: Any,
) -> None:
    """Import claims from `source`, and print the result. `also` is called in the same transaction."""
    created = practices.may_create(asked.practice_name, create=asked.create)
    with import_session(asked.options) as (session, progress):
        imported = importer(
            session, source, practice_name=asked.practice_name, time_zone=asked.time_zone, now=context.utc_now(),
            by=asked.actor(session), options=asked.options, faults=asked.faults, progress=progress, **more,
        )  # fmt: skip
        also(session)
    print_import(
        imported, asked.practice_name, asked=asked.options, created=created, as_json=asked.as_json,
        gives_totals=gives_totals,
    )  # fmt: skip


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """Show a progress bar on a terminal. Yield None for other output."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        shown = bar.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(shown, description=what, completed=done, total=total or None)

        yield tell

"""Run an import with a progress bar, and list its errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from core.cli import database
from core.db.engine import make_sessions, transaction
from core.intake.loading.imported import AS_NEW, ImportOptions
from core.intake.parsing.faults import ImportRefused
from core.intake.parsing.folder import Progress


@contextmanager
def import_session(asked: ImportOptions = AS_NEW) -> Iterator[tuple[Session, Progress | None]]:
    """Run an import in one transaction with a progress bar. Print each error before the refusal that counts them.

    A check is rolled back.
    """
    with database.engine() as engine, progress_bar() as progress:
        try:
            with transaction(make_sessions(engine)) as session:
                yield session, progress
                if asked.check_only:
                    session.rollback()
        except ImportRefused as refused:
            for fault in refused.faults:
                click.echo(str(fault), err=True)
            raise


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

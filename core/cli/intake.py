"""Claims come in: from the practice's files, from Synthea, or as a sample."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from core.cli import acting, context
from core.counting import counted
from core.db.engine import make_sessions, transaction
from core.intake.csv_import import import_csv
from core.intake.csv_template import write_template
from core.intake.faults import ImportRefused
from core.intake.files import Progress, RowsRead
from core.intake.load import Imported
from core.intake.postings import import_postings
from core.intake.sample import make_sample
from core.intake.synthea import Payments, import_synthea
from core.money import format_cents

_SAMPLE_CLAIMS_MAX = 10_000_000

_folder = click.Path(file_okay=True, path_type=Path)  # whether it is a folder, core says in its own words
_practice_option = click.option("--practice", "practice_name", metavar="NAME", help="Made where there is none.")
_time_zone_option = click.option("--time-zone", metavar="Z", help="Of a new practice; else America/New_York.")


@click.group("import")
def import_() -> None:
    """Import claims: all of them, or none, with each mistake and where it is."""


@import_.command("csv")
@click.argument("folder", metavar="DIR", type=_folder, required=False)
@_practice_option
@_time_zone_option
@click.option("--template", type=_folder, metavar="DIR", help="Write example files there instead of importing.")
def csv_(folder: Path | None, practice_name: str | None, time_zone: str | None, template: Path | None) -> None:
    """Import the files of DIR, in the format that docs/import-format.md describes."""
    if template is not None:
        if folder is not None:
            raise click.UsageError("Either DIR or --template DIR.")
        write_template(template)
        click.echo(f"The template is in {template}.")
        return
    if folder is None or practice_name is None:
        raise click.UsageError("Name the folder and --practice NAME.")
    with _import() as (session, progress):
        imported = import_csv(
            session, folder, practice_name=practice_name, time_zone=time_zone, now=context.utc_now(), progress=progress
        )
    _say(imported, practice_name)


@import_.command()
@click.argument("folder", metavar="DIR", type=_folder)
@click.option("--practice", "practice_name", metavar="NAME", required=True, help="Made where there is none.")
@_time_zone_option
@click.option(
    "--without-last-payment", "payments", flag_value=Payments.WITHOUT_LAST.value, help="Leave out each claim's last."
)
@click.option("--only-copays", "payments", flag_value=Payments.ONLY_COPAYS.value, help="Leave out all but copays.")
@click.option("--without-payments", "payments", flag_value=Payments.NONE.value, help="Leave out every payment.")
@click.option("--skip-empty-claims", is_flag=True, help="Leave out claims without transactions, and count them.")
def synthea(
    folder: Path, practice_name: str, time_zone: str | None, payments: str | None, skip_empty_claims: bool
) -> None:
    """Import Synthea's CSV export in DIR; leaving payments out leaves something due."""
    with _import() as (session, progress):
        imported = import_synthea(
            session,
            folder,
            practice_name=practice_name,
            time_zone=time_zone,
            payments=Payments(payments or Payments.ALL),
            skip_empty_claims=skip_empty_claims,
            now=context.utc_now(),
            progress=progress,
        )
    _say(imported, practice_name)
    if imported.left_out:
        click.echo(f"Left out: {counted(imported.left_out, 'claim')} without transactions.")


@click.command()
@click.option("--claims", type=click.IntRange(1, _SAMPLE_CLAIMS_MAX), default=5_000, show_default=True, metavar="N")
@click.option("--practice", "practice_name", required=True, metavar="NAME", help="A new practice.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="S", help="The same seed, the same claims.")
def sample(claims: int, practice_name: str, seed: int) -> None:
    """Make a practice of invented claims, of any size."""
    with context.database() as engine, _progress() as progress:
        make_sample(
            engine,
            practice_name=practice_name,
            claims=claims,
            seed=seed,
            now=context.utc_now(),
            progress=progress,
        )
    click.echo(f"{practice_name} has {counted(claims, 'claim')}.")


@import_.command("postings")
@click.argument("file", metavar="FILE", type=_folder)
@click.option("--practice", "practice_name", metavar="NAME", required=True, help="Whose claims they are for.")
@click.option("--as", "email", metavar="EMAIL", help="Who posts them; else nobody is named.")
def postings(file: Path, practice_name: str, email: str | None) -> None:
    """Post payments, refunds, adjustments and transfers on claims that are there: a FILE like postings.csv."""
    with _import() as (session, progress):
        by = acting.actor(session, email, practice_name) if email else None
        done = import_postings(
            session, file, practice_name=practice_name, by=by, now=context.utc_now(), progress=progress
        )
    _say_rows(done.rows_read)
    if not done.added:
        click.echo(f"Nothing new: {practice_name} has all {counted(done.already_there, 'posting')} already.")
        return
    there = f" Already there: {done.already_there:,}." if done.already_there else ""
    click.echo(f"{practice_name}: added {counted(done.added, 'posting')}.{there}")
    if done.late:
        click.echo(
            f"{done.late:,} of them came where something was written off; they took back "
            f"{format_cents(done.taken_back_cents)} of it."
        )


@contextmanager
def _import() -> Iterator[tuple[Session, Progress | None]]:
    """Run an import in one transaction, with a progress bar. Print each mistake before the refusal that counts them."""
    with context.database() as engine, _progress() as progress:
        try:
            with transaction(make_sessions(engine)) as session:
                yield session, progress
        except ImportRefused as refused:
            for fault in refused.faults:
                click.echo(str(fault), err=True)
            raise


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on the terminal; None where the output goes elsewhere."""
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


def _say_rows(rows_read: dict[str, RowsRead]) -> None:
    """Print how many rows each file had, so that missing ones are noticed."""
    files = (
        f"{name} {rows.read:,}" + (f" ({counted(rows.empty, 'empty row')} skipped)" if rows.empty else "")
        for name, rows in rows_read.items()
    )
    click.echo(f"Rows read: {', '.join(files)}.")


def _say(imported: Imported, practice_name: str) -> None:
    _say_rows(imported.rows_read)
    if imported.nothing_new:
        click.echo(
            f"Nothing new: {practice_name} has all {counted(imported.already_there['claims'], 'claim')} already."
        )
        return
    added = ", ".join(counted(count, kind.removesuffix("s")) for kind, count in imported.added.items() if count)
    click.echo(f"{practice_name}: added {added}.")
    there = ", ".join(counted(count, kind.removesuffix("s")) for kind, count in imported.already_there.items() if count)
    if there:
        click.echo(f"Already there: {there}.")


COMMANDS = [import_, sample]

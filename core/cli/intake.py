"""Import claims from the practice's files or from Synthea, or create a sample."""

from pathlib import Path

import click

from core.cli import context, database, import_output, mapped_import, options, practices, uploads, x12_import
from core.cli.import_options import Asked, all_faults_option, import_options
from core.cli.import_session import import_session, progress_bar, run_import
from core.counting import counted
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import write_template
from core.intake.csv.postings_import import import_postings
from core.intake.parsing.faults import Faults
from core.intake.sample.make_sample import make_sample
from core.intake.synthea.synthea_import import Payments, import_synthea

_SAMPLE_CLAIMS_MAX = 10_000_000

_folder = click.Path(file_okay=True, path_type=Path)  # core reports a missing folder in its own words
_practice_option = click.option("--practice", "practice_name", metavar="NAME", help="The practice to import into.")


@click.group("import")
def import_() -> None:
    """Import claims or postings. A single error stops the whole import.

    The command lists each kind of error with its first locations.

    upload, show, map, list, confirm and discard act for a signed-in user. file, csv, x12, synthea and postings run
    on the server.
    """


@import_.command("csv")
@click.argument("folder", metavar="DIR", type=_folder, required=False)
@_practice_option
@practices.create_option
@options.time_zone_option
@click.option("--template", type=_folder, metavar="DIR", help="Write example files to DIR instead of importing.")
@import_options
@options.json_option
def csv_(folder: Path | None, template: Path | None, asked: Asked) -> None:
    """Import claims from CSV files in DIR.

    docs/import-format.md describes the format.
    """
    if template is not None:
        if folder is not None:
            raise click.UsageError("Use either DIR or --template DIR, not both.")
        write_template(template)
        click.echo(f"Template files are in {template}.")
        return
    if folder is None or click.get_current_context().params["practice_name"] is None:
        raise click.UsageError("Give DIR and --practice NAME.")
    run_import(import_csv, folder, asked)


@import_.command()
@click.argument("folder", metavar="DIR", type=_folder)
@click.option("--practice", "practice_name", metavar="NAME", required=True, help="The practice to import into.")
@practices.create_option
@options.time_zone_option
@click.option(
    "--without-last-payment",
    "payments",
    flag_value=Payments.WITHOUT_LAST.value,
    help="Skip each claim's last payment.",
)
@click.option(
    "--only-copays", "payments", flag_value=Payments.ONLY_COPAYS.value, help="Import copays only, no other payments."
)
@click.option("--without-payments", "payments", flag_value=Payments.NONE.value, help="Skip all payments.")
@click.option("--skip-empty-claims", is_flag=True, help="Skip claims without transactions, and count them.")
@import_options
@options.json_option
def synthea(folder: Path, payments: str | None, skip_empty_claims: bool, asked: Asked) -> None:
    """Import Synthea's CSV export in DIR. Options skip payments to leave open balances."""
    which = Payments(payments or Payments.ALL)
    run_import(import_synthea, folder, asked, payments=which, skip_empty_claims=skip_empty_claims)


@click.command()
@click.option(
    "--claims",
    type=click.IntRange(1, _SAMPLE_CLAIMS_MAX),
    default=5_000,
    show_default=True,
    metavar="N",
    help="Number of claims.",
)
@click.option("--practice", "practice_name", required=True, metavar="NAME", help="The new practice's name.")
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="S", help="The same seed gives the same claims."
)
def sample(claims: int, practice_name: str, seed: int) -> None:
    """Create a practice with sample claims."""
    with database.engine() as engine, progress_bar() as progress:
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
@click.option("--practice", "practice_name", metavar="NAME", required=True, help="The practice with the claims.")
@click.option("--as", "email", metavar="EMAIL", help="The user who posts them. Without it, no user is recorded.")
@all_faults_option
@options.json_option
def postings(file: Path, practice_name: str, email: str | None, faults: Faults, as_json: bool) -> None:
    """Import postings to existing claims.

    FILE has the columns of postings.csv, and one row for each payment, refund, adjustment or side of a transfer.
    """
    with import_session() as (session, progress):
        by = practices.find_actor(session, email, practice_name) if email else None
        done = import_postings(
            session, file, practice_name=practice_name, by=by, now=context.utc_now(), faults=faults, progress=progress
        )
    import_output.print_postings_import(done, practice_name, as_json=as_json)


for _command in (mapped_import.file_, x12_import.x12_, *uploads.UPLOAD_COMMANDS):
    import_.add_command(_command)
COMMANDS = [import_, sample]

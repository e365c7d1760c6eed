"""Files to download from an import: the errors that stopped it, and the lists from its check."""

from collections.abc import Iterator

from flask import Response
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.claims.export import csv_pieces, escape_formula
from core.intake.uploads import commands, import_queries, lists
from core.intake.uploads.lifecycle import ImportKey
from webui.shared import file_downloads
from webui.shared.app_context import now


def send_faults(key: ImportKey, *, by: Actor) -> Response:
    """Answer with one row for each location. Raise `NoSuchImport`."""
    return file_downloads.send_file(
        by=by,
        name=f"import-{key.import_id}-errors.csv",
        record=lambda db: commands.authorize_download(db, key, lists.ERRORS, by=by, now=now()),
        pieces=lambda db: _errors(db, key),
    )


def send_list(key: ImportKey, name: str, *, by: Actor) -> Response:
    """Answer with a list from the check. Raise `NoSuchImport`."""
    return file_downloads.send_file(
        by=by,
        name=f"import-{key.import_id}-{name}.csv",
        record=lambda db: commands.authorize_download(db, key, name, by=by, now=now()),
        pieces=lambda db: lists.list_pieces(db, key, name),
    )


def _errors(db: Session, key: ImportKey) -> Iterator[str] | Iterator[bytes]:
    """Return the list of errors. If the check stopped before the rows, return the errors in the report."""
    if lists.has_list(db, key, lists.ERRORS):
        return lists.list_pieces(db, key, lists.ERRORS)
    return csv_pieces(lists.ERROR_COLUMNS, _rows(db, key))


def _rows(db: Session, key: ImportKey) -> Iterator[tuple[str, ...]]:
    report = import_queries.find(db, key).report or {}
    for group in report.get("faults", ()):
        for place in group["places"]:
            texts = (place["column"] or "", place["value"] or "", place["note"] or "", group["cure"])
            line = "" if place["line"] is None else str(place["line"])
            yield escape_formula(group["file"]), line, *map(escape_formula, texts)

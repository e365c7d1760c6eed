"""The audit log and the audit package as downloads. The audit log records each."""

from flask import Response

from core.access.permissions import Actor
from core.audit import log, package
from core.audit.log import AuditFilter
from webui.shared import file_downloads
from webui.shared.app_context import now


def send_log(wanted: AuditFilter, *, by: Actor) -> Response:
    """Send the matching entries as CSV, oldest first."""
    at = now()
    return file_downloads.send_file(
        by=by,
        name=log.file_name(at),
        record=lambda db: log.authorize_export(db, wanted, by=by, now=at),
        pieces=lambda db: log.csv_file(db, by.practice_id, wanted),
    )


def send_package(*, by: Actor) -> Response:
    """Send the audit package of the user's practice."""
    at = now()
    return file_downloads.send_file(
        by=by,
        name=package.file_name(at),
        record=lambda db: log.authorize_package(db, by=by, now=at),
        pieces=lambda db: package.pieces(db, by.practice_id, now=at),
    )

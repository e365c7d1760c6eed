"""The audit log: who did what, when, to which claim or job, and an export for an auditor."""

from typing import Any, Final

from flask import Response, render_template, request

from core import paging, reading
from core.access.permissions import Action
from core.audit import import_changes, log
from core.audit.log import AuditFilter, BadAuditFilter
from core.db.bounds import BIGINT_MAX
from webui.shared import audit_files, page_arguments
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor

ROWS: Final = 100
_FIELDS: Final = ("person", "claim", "job", "trace", "from", "to")

blueprint = Pages("audit", __name__, url_prefix="/audit")


@blueprint.get("", needs=Action.SEE_AUDIT)
def index() -> str | tuple[str, int]:
    """Show a page of entries. With a faulty filter, show the faults at their fields and no entries."""
    try:
        return _page(_filter())
    except BadAuditFilter as refusal:
        return _page(None, faults=refusal.facts["faults"]), refusal.http_status


@blueprint.get("/audit.csv", needs=Action.SEE_AUDIT)
def export() -> Response:
    """Download all matching entries, oldest first."""
    return audit_files.send_log(_filter(), by=current_actor())


@blueprint.get("/package.zip", needs=Action.SEE_AUDIT)
def export_package() -> Response:
    """Download the audit package of the practice."""
    return audit_files.send_package(by=current_actor())


@blueprint.get(f"/<int(max={BIGINT_MAX}):number>/changes", needs=Action.SEE_AUDIT)
def changes(number: int) -> str:
    """Show the old and new values of the changes that an import applied."""
    with app_context().sessions() as db:
        after = page_arguments.number("after")
        found = import_changes.list_changes(db, number, by=current_actor(), after_id=after, limit=ROWS + 1)
    shown, last = paging.cut(found, ROWS)
    return render_template("audit/changes.html", entry=number, changes=shown, more=last and last.id)


def _page(wanted: AuditFilter | None, **extra: Any) -> str:
    practice_id = current_actor().practice_id
    acts: list[log.AuditRow] = []
    with app_context().sessions() as db:
        if wanted is not None:
            acts = log.acts(db, practice_id, wanted, before=page_arguments.number("before"), limit=ROWS + 1)
        people, head = log.user_names(db, practice_id), log.head(db, practice_id)
    shown, last = paging.cut(acts, ROWS)
    return render_template(
        "audit/index.html",
        acts=shown,
        older=last and last.number,
        listed=wanted is not None,
        people=people,
        head=head,
        asked={name: request.args[name] for name in _FIELDS if request.args.get(name, "").strip()},
        **extra,
    )


def _filter() -> AuditFilter:
    """Return the requested filter. Raise `BadAuditFilter` naming each fault."""
    faults: dict[str, str] = {}
    for name in ("person", "job"):
        if request.args.get(name, "").strip() and page_arguments.number(name) is None:
            faults[name] = "Enter a job number." if name == "job" else "Choose a user."
    first, last = (page_arguments.day(name, faults) for name in ("from", "to"))
    if faults:
        raise BadAuditFilter(reading.join_faults(faults), faults=faults)
    claim = request.args.get("claim", "").strip() or None
    return AuditFilter(
        person=page_arguments.number("person"),
        claim=claim,
        job=page_arguments.number("job"),
        trace=request.args.get("trace", "").strip() or None,
        first_day=first,
        last_day=last,
    )

"""Payments after write-off, and what they reversed, by month."""

import datetime as dt
from typing import Final

from flask import render_template, request

from core import calendar_months, paging
from core.access.permissions import Action
from core.ledger import recoveries
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor

ROWS: Final = 100

blueprint = Pages("recoveries", __name__, url_prefix="/late-payments")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show the months, and the payments of one or all, newest first. Raise `BadMonth` and `BadCursor`."""
    practice_id = current_actor().practice_id
    month = calendar_months.parse_month(request.args["month"]) if request.args.get("month") else None
    after = recoveries.parse_cursor(request.args["after"]) if request.args.get("after") else None
    with app_context().sessions() as db:
        months = recoveries.totals_by_month(db, practice_id)
        rows = recoveries.page(db, practice_id, month=month, after=after, limit=ROWS + 1)
    shown, last = paging.cut(rows, ROWS)
    return render_template(
        "recoveries/index.html",
        months=months,
        month=month,
        rows=shown,
        next_cursor=recoveries.cursor(last) if last else None,
        name=_name,
    )


def _name(month: dt.date) -> str:
    return calendar_months.format_code(month)

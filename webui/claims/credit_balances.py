"""Credit balances of payers and patients, line by line, as a work list."""

import datetime as dt
from typing import Any, Final

from flask import Response, render_template, request

from core.access.permissions import Action, Actor
from core.enums.ledger import Responsibility
from core.enums.practices import PayerClass
from core.ledger import credit_balances
from core.ledger.credit_balances import BadCreditsFilter, CreditsFilter
from core.money import BadAmount, parse_amount
from webui.shared import file_downloads
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_day

ROWS: Final = 100
_FIELDS: Final = ("responsibility", "payer_class", "at_least")

blueprint = Pages("credits", __name__, url_prefix="/credits")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str | tuple[str, int]:
    """Show a page of the list. With a faulty filter, show the faults at their fields and no list."""
    try:
        return _page(_filter())
    except BadAmount as fault:
        return _page(None, faults={"at_least": fault.message}), fault.http_status
    except BadCreditsFilter as fault:
        return _page(None, refused=fault.message), fault.http_status


@blueprint.get("/credits.<any(csv, xlsx):form>", needs=Action.SEE_CLAIMS)
def download(form: str) -> Response:
    """Download all matching credits."""
    today = current_day()
    return send_credits_file(_filter(), form, today=today, by=current_actor())


def send_credits_file(wanted: CreditsFilter, form: str, *, today: dt.date, by: Actor) -> Response:
    """Answer with the matching credits as `csv` or `xlsx`."""
    return file_downloads.send_file(
        by=by,
        name=f"credits-{today}.{form}",
        record=lambda db: credit_balances.authorize_export(db, by=by, now=now()),
        pieces=lambda db: credit_balances.draw(db, by.practice_id, wanted, form, today=today),
    )


def _filter() -> CreditsFilter:
    given = {name: request.args[name] for name in ("responsibility", "payer_class") if request.args.get(name)}
    at_least = request.args.get("at_least", "").strip()
    return CreditsFilter.of({**given, **({"at_least_cents": str(parse_amount(at_least))} if at_least else {})})


def _page(wanted: CreditsFilter | None, **extra: Any) -> str:
    practice_id, cursor = current_actor().practice_id, request.args.get("cursor")
    found, totals = credit_balances.CreditPage([], None), None
    if wanted is not None:
        with app_context().sessions() as db:
            found = credit_balances.page(db, practice_id, wanted, cursor=cursor, limit=ROWS)
            totals = credit_balances.totals(db, practice_id, wanted)
    asked = {name: request.args[name] for name in _FIELDS if request.args.get(name)}
    return render_template(
        "credits/index.html",
        rows=found.rows,
        next_cursor=found.next_cursor,
        totals=totals,
        asked=asked,
        today=current_day(),
        sides=list(Responsibility),
        classes=list(PayerClass),
        **extra,
    )

"""Holds and exclusions: which claims, patients and payers are blocked from write-offs, by whom, why, until when."""

import datetime as dt
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core import paging, reading
from core.access.permissions import Action
from core.claims import holds
from core.db.bounds import BIGINT_MAX
from core.enums.claims import Hold
from core.models.practices import Payer
from core.practices import exclusions, names
from core.practices.exclusions import AlreadyExcluded, BadExclusion, TooManyExclusions
from webui.shared import acts, page_arguments
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor, current_day

ROWS: Final = 100
KINDS: Final = ("patient", "payer")

blueprint = Pages("exclusions", __name__, url_prefix="/exclusions")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show both lists, and the form for users who may exclude, filled in if a claim's page links here."""
    return _page(typed={name: request.args.get(name, "") for name in ("kind", "number")})


@blueprint.post("", needs=Action.EXCLUDE)
def exclude() -> Response | tuple[str, int]:
    """Exclude a patient or a payer. Faults appear at their fields."""
    kind, number = request.form.get("kind", ""), request.form.get("number", "").strip()
    until, fault = parse_optional_date(request.form.get("until", ""))
    if fault:
        return _page(typed=request.form, faults={"until": fault}), HTTPStatus.UNPROCESSABLE_ENTITY
    whom: dict[str, Any] = {kind: number} if kind in KINDS else {}
    try:
        why = request.form.get("why", "")
        acts.run(exclusions.exclude, **whom, reason=why, until=until)
    except BadExclusion as refusal:
        return _page(typed=request.form, faults=refusal.facts["faults"]), refusal.http_status
    except (AlreadyExcluded, TooManyExclusions) as refusal:
        return _page(typed=request.form, faults={"whom": refusal.message}), refusal.http_status
    return acts.redirect_with(
        f"{kind.capitalize()} excluded. No job, not even one already running, will write off this {kind}’s claims.",
        "exclusions.index",
    )


@blueprint.post(f"/<int(max={BIGINT_MAX}):exclusion_id>/end", needs=Action.EXCLUDE)
def end(exclusion_id: int) -> Response:
    """End an exclusion."""
    acts.run(exclusions.end, exclusion_id)
    return acts.redirect_with("Exclusion ended. Existing previews don’t change.", "exclusions.index")


def parse_optional_date(typed: str) -> tuple[dt.date | None, str | None]:
    """Return the date, or a fault. Nothing typed is no date."""
    try:
        return (reading.day(typed.strip()) if typed.strip() else None), None
    except ValueError:
        return None, "Enter a date, or leave it blank."


def _page(*, typed: Any, faults: dict[str, str] | None = None) -> str:
    practice_id, every = current_actor().practice_id, "all" in request.args
    wanted = request.args.get("hold", "")
    hold = Hold(wanted) if wanted in set(Hold) else None
    today = current_day()
    with app_context().sessions() as db:
        excluded = exclusions.list_exclusions(
            db,
            practice_id,
            today=today,
            lasting_only=not every,
            before_id=page_arguments.number("before"),
            limit=ROWS + 1,
        )
        held = holds.list_held_claims(
            db, practice_id, today=today, hold=hold, after_id=page_arguments.number("after"), limit=ROWS + 1
        )
        payers = names.numbers_and_names(db, practice_id, Payer)
    (excluded, last_excluded), (held, last_held) = paging.cut(excluded, ROWS), paging.cut(held, ROWS)
    return render_template(
        "exclusions/index.html",
        exclusions=excluded,
        more_exclusions=last_excluded and last_excluded.id,
        held=held,
        more_held=last_held and last_held.id,
        payers=payers,
        hold=hold,
        holds=list(Hold),
        may_change_hold=partial(holds.may_change, current_actor()),
        every=every,
        typed=typed,
        faults=faults or {},
        today=today,
        why_max=reading.NOTE_CHARACTERS_MAX,
        may_exclude=current_actor().may(Action.EXCLUDE),
        may_release=current_actor().may(Action.HOLD),
    )

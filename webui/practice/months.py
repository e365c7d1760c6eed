"""Month-end close: list the months with totals, close one, reopen one with a reason."""

import datetime as dt
from functools import partial
from typing import Any, Final

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from core import calendar_months
from core.access.permissions import Action
from core.books import closing, month_postings, month_write_offs
from core.books.closing import ReopenReasonMissing
from core.books.month_postings import Part, Wanted
from core.books.month_write_offs import MonthWriteOffs
from core.enums.ledger import PostingKind, Responsibility
from core.errors import BadInput, NotFound, Refusal
from core.reading import NOTE_CHARACTERS_MAX
from core.schedules import schedule_queries
from webui.shared import acts, labels
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_day

MONTHS_SHOWN: Final = 24
POSTINGS_SHOWN: Final = 100
_PART_WORDS: Final = {
    Part.REVERSED_WRITE_OFF: "Reversed write-offs",
    Part.VOIDED: "Voided postings",
    Part.PAYER_REVERSAL: "Payer reversals",
    Part.BY_JOBS: "Written off by jobs",
    Part.REVERSED_BY_JOBS: "Write-offs reversed by jobs",
    Part.LATER: "Recovered or adjusted later",
}
_NOT_REVERSALS: Final = tuple(kind for kind in PostingKind if kind is not PostingKind.REVERSAL)


class CloseNotConfirmed(BadInput):
    """Check the box to confirm that you want to close the month."""


blueprint = Pages("periods", __name__, url_prefix="/months")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """List the months with their totals, newest first: two years, or all."""
    actor, every = current_actor(), "all" in request.args
    with app_context().sessions() as db:
        found = closing.list_months(db, actor.practice_id, now=now())
        shown = closing.with_current_totals(db, actor.practice_id, found if every else found[:MONTHS_SHOWN])
        with_reversals = [month.month for month in shown if PostingKind.REVERSAL in (month.shown_totals or {})]
        reversed_ = month_write_offs.reversed_cents(db, actor.practice_id, with_reversals)
    return render_template(
        "periods/index.html",
        months=shown,
        hidden=len(found) - len(shown),
        kinds=_NOT_REVERSALS,
        reversed=reversed_,
        cents_of=closing.kind_cents,
        count_of=calendar_months.posting_count,
        may_close=actor.may(Action.CLOSE_MONTH),
    )


@blueprint.get("/<name>", needs=Action.SEE_CLAIMS)
def show(name: str) -> str:
    """Show one month with its stored totals, or those that closing it now would store."""
    return _page(_month_from_path(name))


@blueprint.get("/<name>/postings", needs=Action.SEE_CLAIMS)
def postings(name: str) -> str:
    """List the postings behind a number of the month's page. Raise `NotFound` and `BadCursor`."""
    asked = {key: value for key in ("kind", "responsibility", "reason", "person") if (value := request.args.get(key))}
    wanted = Wanted.read(
        _month_from_path(name), asked.get("kind", ""), asked.get("responsibility", ""),
        reason=asked.get("reason"), person=asked.get("person"),
    )  # fmt: skip
    with app_context().sessions() as db:
        cursor = request.args.get("after")
        found = month_postings.page(db, current_actor().practice_id, wanted, cursor=cursor, limit=POSTINGS_SHOWN)
    return render_template(
        "periods/postings.html",
        wanted=wanted,
        kind=_kind_words(wanted.kind) if wanted.kind else "Postings",
        found=found,
        name=name,
        asked=asked,
    )


@blueprint.post("/<name>/close", needs=Action.CLOSE_MONTH)
def close(name: str) -> Response | tuple[str, int]:
    """Close the month, if the user checked the box that says what a close does. A refusal appears on its page."""
    month = _month_from_path(name)
    try:
        if request.form.get("understood") != "true":
            raise CloseNotConfirmed(
                f"Check the box to confirm that you want to close {calendar_months.format_long(month)}."
            )
        acts.run(closing.close, month)
    except Refusal as refusal:
        return _page(month, refused=acts.sentence_on_page(refusal)), refusal.http_status
    return acts.redirect_with(
        f"{calendar_months.format_long(month)} is closed. Nothing more can be posted to it.", "periods.show", name=name
    )


@blueprint.post("/<name>/reopen", needs=Action.CLOSE_MONTH)
def reopen(name: str) -> Response | tuple[str, int]:
    """Reopen the month with a reason."""
    month, reason = _month_from_path(name), request.form.get("reason", "")
    try:
        acts.run(closing.reopen, month, reason=reason)
    except ReopenReasonMissing as fault:
        return _page(month, fault=fault.message, typed=reason), fault.http_status
    except Refusal as refusal:
        return _page(month, refused=acts.sentence_on_page(refusal), typed=reason), refusal.http_status
    return acts.redirect_with(f"{calendar_months.format_long(month)} is open again.", "periods.show", name=name)


def _month_from_path(name: str) -> dt.date:
    try:
        return calendar_months.parse_month(name)
    except calendar_months.BadMonth:
        raise NotFound("Month not found. Write it as 2026-11.") from None


def _page(month: dt.date, **extra: Any) -> str:
    actor = current_actor()
    with app_context().sessions() as db:
        (found,) = closing.with_current_totals(db, actor.practice_id, [closing.find(db, actor.practice_id, month)])
        jobs = closing.unfinished_jobs(db, actor.practice_id, month)
        waiting = closing.waiting_previews(db, actor.practice_id, month)
        written_off = month_write_offs.for_month(db, actor.practice_id, month)
        reversed_ = {
            act.at: month_write_offs.reversed_cents(db, actor.practice_id, [month], until=act.at)[month]
            for act in found.history
            if PostingKind.REVERSAL in act.totals
        }
        earlier = closing.earlier_open_months(db, actor.practice_id, month)
        coming = schedule_queries.with_runs_in(db, actor.practice_id, month, now=now())
    return render_template(
        "periods/show.html",
        month=found,
        name=calendar_months.format_code(month),
        totals=found.shown_totals,
        totals_rows=_totals_rows(found.shown_totals, written_off),
        written_off=written_off,
        kinds=_NOT_REVERSALS,
        reversed=reversed_,
        sides=list(Responsibility),
        cents_of=closing.kind_cents,
        count_of=calendar_months.posting_count,
        jobs=jobs,
        waiting=waiting,
        schedules=coming,
        earlier=earlier,
        earlier_ranges=calendar_months.format_ranges(earlier),
        is_future=month > current_day(),
        may_close=actor.may(Action.CLOSE_MONTH),
        sees_checksums=actor.may(Action.SEE_AUDIT),
        postings_page=partial(url_for, "periods.postings", name=calendar_months.format_code(month)),
        reason_max=NOTE_CHARACTERS_MAX,
        **extra,
    )


def _totals_rows(totals: dict[str, Any] | None, written_off: MonthWriteOffs) -> list[tuple[str, str, dict[str, Any]]]:
    """Return label, code and sums of each row of the totals by kind, with reversals split by what they reverse."""
    by_kind = totals or {}
    rows: dict[PostingKind | Part, Any] = {kind: by_kind.get(kind, {}) for kind in _NOT_REVERSALS}
    rows |= {
        Part.REVERSED_WRITE_OFF: written_off.reversed_write_offs, Part.VOIDED: written_off.voided,
        Part.PAYER_REVERSAL: written_off.payer_reversals,
    }  # fmt: skip
    return [(_kind_words(kind), kind.value, sides) for kind, sides in rows.items() if sides]


def _kind_words(kind: PostingKind | Part) -> str:
    return _PART_WORDS[kind] if isinstance(kind, Part) else labels.words(kind)

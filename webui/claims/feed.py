"""The Live Claims Feed: filter, page, totals, selection and export."""

import json
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Flask, Response, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core.access import audit
from core.access.permissions import Action
from core.claims import feed, saved_filters, table_files
from core.claims.age_buckets import BUCKETS
from core.claims.feed import FeedPage, FeedTotals
from core.claims.feed_totals import NO_CLAIMS
from core.claims.filters import BadFilter
from core.claims.table_files import Table
from core.counting import counted
from core.db.engine import transaction
from core.errors import Refusal
from core.practices import practice_days
from webui.claims import feed_columns
from webui.claims.feed_query import PAGE_SIZES, FeedQuery
from webui.claims.feed_selection import FeedSelection
from webui.shared import acts, file_downloads
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor, current_practice, requires
from webui.shared.labels import money, number

blueprint = Blueprint("feed", __name__)

_EMPTY_PAGE: Final = FeedPage([], None, None, 0)


def register(app: Flask) -> None:
    """Add the feed."""
    app.register_blueprint(blueprint)


@blueprint.get("/claims")
@requires(Action.SEE_CLAIMS)
def show() -> BaseResponse | str | tuple[str, int]:
    """Show the feed. An address with empty or unusual parameters redirects to its short form."""
    query = FeedQuery.of(_query_pairs())
    extras = {key: "1" for key in ("counts", "totals") if request.args.get(key)}  # requested without JavaScript
    tidy = query.text(**extras)
    if not query.faults and sorted(_query_pairs()) != sorted(FeedQuery.pairs_of(tidy)):
        return redirect(f"{url_for('feed.show')}?{tidy}" if tidy else url_for("feed.show"))
    try:
        page = _page(query, extras)
    except BadFilter as fault:
        page = _page(query.refused(fault.message), {})
    faulty = page["query"].faults
    body = render_template("feed/feed.html", **page)
    return (body, HTTPStatus.UNPROCESSABLE_ENTITY) if faulty else body


def _query_pairs() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _page(query: FeedQuery, extras: dict[str, str]) -> dict[str, Any]:
    actor, practice_id = current_actor(), current_actor().practice_id
    page, counts, ages = _EMPTY_PAGE, {}, None
    with transaction(app_context().sessions) as db:
        choices = feed.filter_choices(db, practice_id)
        saved = saved_filters.list_saved_filters(db, practice_id)
        if query.filter is not None:
            terms = feed.terms_for(db, practice_id, now=now())
            page = feed.page(
                db, practice_id, query.filter, sort=query.sort, cursor=query.cursor, limit=query.limit, terms=terms
            )
            if "totals" in extras:
                ages = feed.totals_by_age(db, practice_id, query.filter, terms)
            if "counts" in extras:
                counts = feed.counts_by_billing_status(db, practice_id, query.filter, terms)
    return {
        "query": query,
        "page": page,
        "totals": sum(ages.values(), NO_CLAIMS) if ages else None,
        "ages": ages,
        "buckets": BUCKETS,
        "counts": counts if "counts" in extras else None,
        "choices": choices,
        "saved": [(it, saved_filters.may_remove(it, by=actor)) for it in saved],
        "columns": _shown_columns(),
        "all_columns": feed_columns.COLUMNS,
        "default_sort": feed.DEFAULT_SORT,
        "page_sizes": PAGE_SIZES,
        "pills": feed_columns.ELIGIBILITY_PILLS,
        **feed_columns.FILTER_CHOICES,
        "idempotency_key": secrets.token_urlsafe(16),
    }


@blueprint.get("/feed/totals")
@requires(Action.SEE_CLAIMS)
def totals() -> Response:
    """Return the totals of all matching claims, requested after the page has loaded."""
    query = _require_valid_filter(FeedQuery.of(_query_pairs()))
    with transaction(app_context().sessions) as db:
        practice_id = current_actor().practice_id
        terms = feed.terms_for(db, practice_id, now=now())
        ages = feed.totals_by_age(db, practice_id, query.filter, terms)  # type: ignore[arg-type]
    sums = sum(ages.values(), NO_CLAIMS)
    by_age = render_template("feed/_ages.html", query=query, ages=ages, buckets=BUCKETS)
    return _json(**_totals_json(sums, counted(sums.claims, "matching claim")), ages=by_age)


@blueprint.get("/feed/counts")
@requires(Action.SEE_CLAIMS)
def counts() -> Response:
    """Return the number of claims by billing status under the other filters: Calculate Counts."""
    query = _require_valid_filter(FeedQuery.of(_query_pairs()))
    with transaction(app_context().sessions) as db:
        practice_id = current_actor().practice_id
        terms = feed.terms_for(db, practice_id, now=now())
        found = feed.counts_by_billing_status(db, practice_id, query.filter, terms)  # type: ignore[arg-type]
        statuses = feed.filter_choices(db, practice_id).billing_statuses
    return _json(counts={status: number(found.get(status, 0)) for status in {*statuses, *found}})


@blueprint.post("/feed/selection")
@requires(Action.SEE_CLAIMS)
def selection() -> Response:
    """Return the count and dollars of a selection, so that the browser never adds up amounts."""
    selected = FeedSelection.of(request.form)
    with transaction(app_context().sessions) as db:
        practice_id = current_actor().practice_id
        sums = selected.totals(db, practice_id, feed.terms_for(db, practice_id, now=now()))
    dollars = f"insurance {money(sums.insurance_due)} · patient {money(sums.patient_due)}"
    return _json(**_totals_json(sums, f"{number(sums.claims)} selected"), dollars=dollars, total=money(sums.total_due))


@blueprint.post("/feed/columns")
@requires(Action.SEE_CLAIMS)
def choose_columns() -> BaseResponse:
    """Save which columns this browser shows."""
    response = _redirect_to_feed()
    cookie = feed_columns.hidden_columns_cookie(request.form.getlist("column"))
    response.set_cookie(
        feed_columns.HIDDEN_COLUMNS_COOKIE,
        cookie,
        max_age=feed_columns.COOKIE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=app_context().settings.https_only,
    )
    return response


@blueprint.post("/feed/filters")
@requires(Action.SEE_CLAIMS)
def save_filter() -> BaseResponse:
    """Save the current filter under a name."""
    query = _require_valid_filter(FeedQuery.of_text(request.form.get("query", "")))
    name = request.form.get("name", "")
    try:
        kept = query.text(limit=None, cursor=None)
        acts.run(saved_filters.save, name=name, query=kept)
        flash(f"Filter “{' '.join(name.split())}” saved.", "good")
    except Refusal as refusal:
        flash(refusal.message, "bad")
    return _redirect_to_feed()


@blueprint.post("/feed/filters/<int:filter_id>/delete")
@requires(Action.SEE_CLAIMS)
def delete_filter(filter_id: int) -> BaseResponse:
    """Delete a saved filter."""
    acts.run(saved_filters.remove, filter_id)
    flash("Saved filter deleted.", "good")
    return _redirect_to_feed()


@blueprint.get("/feed/export.<any(csv, xlsx):form>")
@requires(Action.SEE_CLAIMS)
def export(form: str) -> Response:
    """Download every matching claim with the visible columns."""
    query = _require_valid_filter(FeedQuery.of(_query_pairs()))
    actor = current_actor()

    def record(db: Session) -> None:
        subject = audit.Subject(actor.practice_id, "feed")
        audit.record(db, "claims.exported", subject, by=actor, now=now(), keys=sorted(query.typed))

    return file_downloads.send_file(
        by=actor,
        name=f"claims-{practice_days.today(current_practice(), now=now())}.{form}",
        content_type=file_downloads.CONTENT_TYPES[form],
        record=record,
        pieces=lambda db: _file(db, query, actor.practice_id, form),
    )


def _file(db: Session, query: FeedQuery, practice_id: int, form: str) -> Iterator[str] | Iterator[bytes]:
    columns = _shown_columns()
    terms = feed.terms_for(db, practice_id, now=now())
    rows = feed.stream_rows(db, practice_id, query.filter, sort=query.sort, terms=terms)  # type: ignore[arg-type]
    cells = ([column.cell(row) for column in columns] for row in rows)
    return table_files.table_file(Table([column.name for column in columns], cells), form)


def _require_valid_filter(query: FeedQuery) -> FeedQuery:
    if query.filter is None:
        raise BadFilter(" ".join(query.faults.values()))
    return query


def _shown_columns() -> list[feed_columns.Column]:
    return list(
        feed_columns.visible_columns(
            feed_columns.hidden_columns_from_cookie(request.cookies.get(feed_columns.HIDDEN_COLUMNS_COOKIE))
        )
    )


def _totals_json(sums: FeedTotals, description: str) -> dict[str, Any]:
    row = render_template("feed/_totals.html", sums=sums, words=description, columns=_shown_columns())
    return {"claims": sums.claims, "words": number(sums.claims), "row": row}


def _json(**facts: Any) -> Response:
    return Response(json.dumps(facts), mimetype="application/json", headers={"Cache-Control": "no-store"})


def _redirect_to_feed() -> BaseResponse:
    kept = FeedQuery.of_text(request.form.get("query", "")).text()
    return redirect(f"{url_for('feed.show')}?{kept}" if kept else url_for("feed.show"), code=HTTPStatus.SEE_OTHER)

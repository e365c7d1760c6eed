"""The Live Claims Feed: filter, page, totals, selection and export."""

import json
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core.access import audit
from core.access.permissions import Action
from core.claims import feed, table_files, views
from core.claims.age_buckets import BUCKETS
from core.claims.claim_filter import BadFilter
from core.claims.feed import FeedPage, FeedTotals
from core.claims.feed_totals import NO_CLAIMS
from core.claims.table_files import Table
from core.counting import counted
from core.db.engine import transaction
from webui.claims import feed_address, feed_columns, feed_layout, feed_views, filter_words
from webui.claims.feed_columns import Column
from webui.claims.feed_query import PAGE_SIZES, PATIENT_KEY, FeedQuery
from webui.claims.feed_selection import FeedSelection
from webui.shared import file_downloads
from webui.shared.app_context import app_context, now
from webui.shared.auth import (
    Pages,
    SignInRequired,
    ask_to_sign_in,
    current_actor,
    current_day,
    redirect_to_sign_in,
)
from webui.shared.labels import money, number

blueprint = Pages("feed", __name__)

_EMPTY_PAGE: Final = FeedPage([], None, None, 0)


def register(app: Flask) -> None:
    """Add the feed."""
    app.register_blueprint(blueprint)
    app.register_blueprint(feed_views.blueprint)


blueprint.add_app_template_filter(filter_words.label_of, "filter_label")


@blueprint.get("/claims", needs=Action.SEE_CLAIMS)
def show() -> BaseResponse | str | tuple[str, int]:
    """Show the feed. An address with empty or unusual parameters redirects to its short form.

    Without parameters, it opens the user's default view.
    """
    with transaction(app_context().sessions) as db:
        default = None if request.args else views.default_view_id(db, current_actor())
        query = feed_address.read(db)
    if default is not None:
        return redirect(url_for("feed_views.open_view", view_id=default))
    extras = _extras()
    tidy = query.text(**extras)
    if not query.faults and sorted(feed_address.pairs()) != sorted(FeedQuery.pairs_of(tidy)):
        return redirect(feed_address.address(query, **extras))
    return _feed_page(query, extras)


@blueprint.post("/claims", needs=Action.SEE_CLAIMS)
def apply_filter() -> BaseResponse | str | tuple[str, int]:
    """Apply the filter of the form. It is posted, because a patient's name must not be in an address."""
    given = request.form.items(multi=True)
    query = feed_address.keyed(FeedQuery.of((key, value) for key, value in given if key != "csrf_token"))
    if query.faults:
        return _feed_page(query, {})
    return redirect(feed_address.address(query, **_extras()), code=HTTPStatus.SEE_OTHER)


@blueprint.errorhandler(SignInRequired)
def _keep_filter(error: SignInRequired) -> BaseResponse:
    """Return to the filtered feed after the sign-in. A patient's name must be typed again, because it has no key."""
    if request.endpoint != "feed.apply_filter":
        return ask_to_sign_in(error)
    given = [(key, value) for key, value in request.form.items(multi=True) if key != "csrf_token"]
    if request.form.get("patient", "").strip():
        given.append((PATIENT_KEY, "ended"))
    text = FeedQuery.of((key, value) for key, value in given if key != "patient").text(**_extras())
    return redirect_to_sign_in(f"{url_for('feed.show')}?{text}")


def _extras() -> dict[str, str]:
    """Return what was requested without JavaScript."""
    return {key: "1" for key in ("counts", "totals") if request.values.get(key)}


def _feed_page(query: FeedQuery, extras: dict[str, str]) -> str | tuple[str, int]:
    try:
        page = _page(query, extras)
    except BadFilter as fault:
        page = _page(query.refused(fault.message), {})
    faulty = page["query"].faults
    body = render_template("feed/feed.html", **page)
    return (body, HTTPStatus.UNPROCESSABLE_ENTITY) if faulty else body


def _page(query: FeedQuery, extras: dict[str, str]) -> dict[str, Any]:
    practice_id = current_actor().practice_id
    page, counts, ages = _EMPTY_PAGE, {}, None
    with transaction(app_context().sessions) as db:
        choices = feed.filter_choices(db, practice_id)
        layout = feed_layout.of_view(db, query.view, by=current_actor())
        views_of_menu = feed_views.choices(db, layout)
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
        "layout": layout,
        "columns": layout.columns,
        "order": feed_columns.order_words(query.sort),
        "recent_words": feed_columns.RECENT_ENDS[query.sort.descending].capitalize(),
        **views_of_menu,
        "default_sort": feed.DEFAULT_SORT,
        "page_sizes": PAGE_SIZES,
        "pills": feed_columns.ELIGIBILITY_PILLS,
        **feed_columns.FILTER_CHOICES,
        "idempotency_key": secrets.token_urlsafe(16),
    }


@blueprint.get("/feed/totals", needs=Action.SEE_CLAIMS)
def totals() -> Response:
    """Return the totals of all matching claims, requested after the page has loaded."""
    with transaction(app_context().sessions) as db:
        query = feed_address.read_valid(db)
        practice_id = current_actor().practice_id
        terms = feed.terms_for(db, practice_id, now=now())
        ages = feed.totals_by_age(db, practice_id, query.filter, terms)  # type: ignore[arg-type]
        columns = feed_layout.of_view(db, query.view, by=current_actor()).columns
    sums = sum(ages.values(), NO_CLAIMS)
    by_age = render_template("feed/_ages.html", query=query, ages=ages, buckets=BUCKETS)
    return _json(**_totals_json(sums, counted(sums.claims, "matching claim"), columns), ages=by_age)


@blueprint.get("/feed/counts", needs=Action.SEE_CLAIMS)
def counts() -> Response:
    """Return the number of claims by billing status under the other filters: Calculate Counts."""
    with transaction(app_context().sessions) as db:
        query = feed_address.read_valid(db)
        practice_id = current_actor().practice_id
        terms = feed.terms_for(db, practice_id, now=now())
        found = feed.counts_by_billing_status(db, practice_id, query.filter, terms)  # type: ignore[arg-type]
        statuses = feed.filter_choices(db, practice_id).billing_statuses
    return _json(counts={status: number(found.get(status, 0)) for status in {*statuses, *found}})


@blueprint.post("/feed/selection", needs=Action.SEE_CLAIMS)
def selection() -> Response:
    """Return the count and dollars of a selection, so that the browser never adds up amounts."""
    selected = FeedSelection.of(request.form)
    with transaction(app_context().sessions) as db:
        practice_id = current_actor().practice_id
        sums = selected.totals(db, practice_id, feed.terms_for(db, practice_id, now=now()))
        view = FeedQuery.of([("view", request.form.get("view", ""))]).view
        columns = feed_layout.of_view(db, view, by=current_actor()).columns
    dollars = f"insurance {money(sums.insurance_due)} · patient {money(sums.patient_due)}"
    row = _totals_json(sums, f"{number(sums.claims)} selected", columns)
    return _json(**row, dollars=dollars, total=money(sums.total_due))


@blueprint.get("/feed/export.<any(csv, xlsx):form>", needs=Action.SEE_CLAIMS)
def export(form: str) -> Response:
    """Download every matching claim with the visible columns."""
    actor = current_actor()
    with transaction(app_context().sessions) as db:
        query = feed_address.read_valid(db)
        columns = feed_layout.of_view(db, query.view, by=actor).columns

    def record(db: Session) -> None:
        subject = audit.Subject(actor.practice_id, "feed")
        audit.record(
            db, "claims.exported", subject, by=actor, now=now(), keys=sorted(query.typed.keys() - {PATIENT_KEY})
        )

    return file_downloads.send_file(
        by=actor,
        name=f"claims-{current_day()}.{form}",
        record=record,
        pieces=lambda db: _file(db, query, columns, actor.practice_id, form),
    )


def _file(
    db: Session, query: FeedQuery, columns: list[Column], practice_id: int, form: str
) -> Iterator[str] | Iterator[bytes]:
    terms = feed.terms_for(db, practice_id, now=now())
    rows = feed.stream_rows(db, practice_id, query.filter, sort=query.sort, terms=terms)  # type: ignore[arg-type]
    cells = ([column.cell(row) for column in columns] for row in rows)
    return table_files.table_file(Table([column.name for column in columns], cells), form)


def _totals_json(sums: FeedTotals, description: str, columns: list[Column]) -> dict[str, Any]:
    row = render_template("feed/_totals.html", sums=sums, words=description, columns=columns)
    return {"claims": sums.claims, "words": number(sums.claims), "row": row}


def _json(**facts: Any) -> Response:
    return Response(json.dumps(facts), mimetype="application/json", headers={"Cache-Control": "no-store"})

"""The write-offs report, its chart and files, and the claims behind each of its amounts."""

import datetime as dt
from typing import Any, Final, NamedTuple

from flask import Response, render_template, request, url_for

from core import calendar_months
from core.access.permissions import Action, Actor
from core.books import report_request, write_off_claims, write_off_report
from core.books.write_off_groups import Asked
from core.books.write_off_report import Amounts, Report, ReportRow
from core.enums.write_off_report import COLUMN_NAMES, DIMENSION_NAMES, Column, Dimension
from core.money import format_rate
from webui.shared import acts, file_downloads
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor, current_day

ROWS_MAX: Final = 500  # on the page; a file has all
CLAIMS_ROWS: Final = 100
GROUPS: Final = tuple(one for one in Dimension if one is not Dimension.MONTH)  # in the address of a list of claims
_MONTHS_OFFERED: Final = 60
_PLOT_HEIGHT: Final = 120  # of the chart's tallest bar, in units of its viewBox

blueprint = Pages("write_off_report", __name__, url_prefix="/reports/write-offs")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def show() -> str:
    """Show the report. Raise `BadMonth` and `BadReport`."""
    asked = _asked()
    found = acts.read(write_off_report.report, current_actor().practice_id, asked)
    return render_template(
        "reports/write_offs.html",
        report=found,
        rows=found.rows[:ROWS_MAX],
        bars=_bars(found),
        months=_months_offered(asked),
        code=calendar_months.format_code,
        dimensions=DIMENSION_NAMES,
        columns=COLUMN_NAMES,
        claims_page=lambda column, row: _claims_page(asked, column, row),
        charges_headings=write_off_report.CHARGES_HEADINGS,
        amount_of=amount_of,
        format_rate=format_rate,
        query=_query(asked),
    )


@blueprint.get("/write-offs.<any(csv, xlsx):form>", needs=Action.SEE_CLAIMS)
def download(form: str) -> Response:
    """Download the report."""
    return send_report_file(_asked(), form, by=current_actor())


@blueprint.get("/claims", needs=Action.SEE_CLAIMS)
def claims() -> str:
    """List the claims behind an amount. Raise `BadMonth`, `BadReport` and `BadCursor`."""
    asked, practice_id = _asked(), current_actor().practice_id
    group = {one.value: request.args.get(one.value) for one in GROUPS}
    amount = report_request.parse_amount(request.args.get("column") or Column.NET, asked, group)
    with app_context().sessions() as db:
        cursor = request.args.get("after")
        found = write_off_claims.page(db, practice_id, amount, cursor=cursor, limit=CLAIMS_ROWS)
        names = write_off_report.group_names(db, practice_id, asked, amount.group)
    return render_template(
        "reports/claims.html",
        amount=amount,
        heading=COLUMN_NAMES[amount.column],
        names=[(DIMENSION_NAMES[dimension], name) for dimension, name in names.items()],
        found=found,
        here={
            **_query(asked),
            **{one.value: code for one, code in amount.group.items()},
            "column": amount.column.value,
        },
        report_query=_query(asked),
    )


def send_report_file(asked: Asked, form: str, *, by: Actor) -> Response:
    """Answer with the report as `csv` or `xlsx`. It names no patient, so the audit log does not record the download."""
    return file_downloads.send_file(
        by=by,
        name=f"write-offs-{asked.first:%Y-%m}-{asked.last:%Y-%m}.{form}",
        record=lambda _: by.require(Action.SEE_CLAIMS),
        pieces=lambda db: write_off_report.file(write_off_report.report(db, by.practice_id, asked), form),
    )


def amount_of(column: Column, amounts: Amounts) -> int | None:
    """Return the cents of a column, or None if it has none."""
    return {
        Column.WRITTEN_OFF: amounts.written_off_cents,
        Column.REVERSED: amounts.reversed_cents,
        Column.RECOVERED: amounts.recovered_cents,
        Column.REPLACED: amounts.replaced_cents,
        Column.NET: amounts.net_cents,
        Column.CHARGES: amounts.charges_cents,
    }[column]


def _asked() -> Asked:
    today = current_day()
    first, last = request.args.get("first", ""), request.args.get("last", "")
    return report_request.parse_asked(first, last, request.args.getlist("by"), today=today)


def _query(asked: Asked) -> dict[str, Any]:
    return {
        "first": calendar_months.format_code(asked.first),
        "last": calendar_months.format_code(asked.last),
        "by": [one.value for one in asked.by],
    }


def _claims_page(asked: Asked, column: Column, row: ReportRow | None) -> str:
    """Return the URL of the claims behind an amount of the row, or of the whole range."""
    values = dict(row.values) if row else {}
    month = values.pop(Dimension.MONTH, None)
    months = {"first": month.code, "last": month.code} if month else {}
    keys: dict[str, Any] = {one.value: value.code for one, value in values.items()}
    return url_for("write_off_report.claims", **{**_query(asked), **months}, column=column.value, **keys)


def _months_offered(asked: Asked) -> list[dt.date]:
    """Return the months to choose from, newest first, with those of the report."""
    month = max(asked.last, calendar_months.month_of(current_day()))
    offered = [month]
    while len(offered) < _MONTHS_OFFERED or offered[-1] > asked.first:
        offered.append(calendar_months.month_of(offered[-1] - dt.timedelta(days=1)))
    return offered


class Bar(NamedTuple):
    """A month of the chart: its name, and the heights of its two bars."""

    month: str
    written_off: int
    back: int


class Bars(NamedTuple):
    """The chart, and the amount of its tallest bar."""

    bars: list[Bar]
    top_cents: int


def _bars(found: Report) -> Bars:
    amounts = [(row, row.amounts.written_off_cents, row.amounts.back_cents) for row in found.months]
    top = max([1, *(cents for _, *both in amounts for cents in both)])

    def height(cents: int) -> int:
        return max(0, cents) * _PLOT_HEIGHT // top

    bars = [Bar(row.values[Dimension.MONTH].name, height(off), height(back)) for row, off, back in amounts]
    return Bars(bars, top if top > 1 else 0)

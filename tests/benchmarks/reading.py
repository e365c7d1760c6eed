"""Reads of a large practice: its preview against a bare INSERT … SELECT, the feed, the search box and the reports."""

import datetime as dt
from typing import Final

import psycopg
from sqlalchemy import select

from core import search
from core.books import write_off_report
from core.books.write_off_groups import Asked
from core.claims import aging, feed
from core.claims.claim_filter import ClaimFilter
from core.claims.feed_order import Cursor, cursor_value
from core.db.engine import Sessions
from core.db.scope import of_practice
from core.models.claims import Claim
from core.search import Search
from tests.benchmarks import runs
from tests.benchmarks.claims import Practice, make_practice
from tests.benchmarks.measure import Row, Watch, ms, timed
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.roles import as_web

PAGE_CLAIMS: Final = 50
FAR_PAGE: Final = 10_000
TIMES: Final = 40
PAGE_SECONDS_MAX: Final = 0.05
OTHER_SECONDS_MAX: Final = 0.5
REPORT_SECONDS_MAX: Final = 1.0
PREVIEW_RATIO_MAX: Final = 2.0

_EVERY_CLAIM: Final = ClaimFilter()
_ANSWER_FILTERS: Final = {
    "last_answer_status": "22", "no_answer_min_days": 39_000, "payer_claim_number": "ICN1", "denial_carc": "A1",
}  # fmt: skip
_SEARCHES: Final = {"part of a claim number": "40077", "name": "patient 1f0e3", "amount": "$123.45"}

_BARE: Final = """
INSERT INTO job_item (practice_id, job_id, position, claim_id, claim_version, billing_status_before,
                      settles_insurance, settles_patient, insurance_cents, patient_cents, verdict)
SELECT practice_id, 0, row_number() OVER (ORDER BY id), id, version, billing_status, true, true,
       insurance_due, patient_due, 'settle'
  FROM claim WHERE practice_id = %s
"""


# What 4,000 chunks with 10,000,000 write-offs leave in a year: 120 payers and providers in each chunk.
_LEDGER_SUMS: Final = """
INSERT INTO ledger_sum (practice_id, month, kind, payer_ids, provider_ids, insurance_cents, patient_cents)
SELECT %(practice)s, date '2026-01-01' + make_interval(months => n %% 12), 'write_off', payers.ids, providers.ids,
       cents.each, cents.each
  FROM generate_series(1, 4000) n,
       (SELECT array_agg(id) AS ids FROM payer, generate_series(1, 5) WHERE practice_id = %(practice)s) payers,
       (SELECT array_agg(id) AS ids FROM provider, generate_series(1, 2) WHERE practice_id = %(practice)s) providers,
       (SELECT array_agg(20000 + g) AS each FROM generate_series(1, 120) g) cents
"""


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return the rows of preview and feed."""
    given = place.migrated("reading")
    practice = make_practice(place.url(given, superuser=True), name="Lakeside", claims=sizes.many, now=runs.utc_now())
    url = place.url(given)
    with runs.sessions_on(as_web(url)) as of_web:
        sessions = of_practice(of_web, practice.id)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_LEDGER_SUMS.encode(), {"practice": practice.id})
        read = [
            *pages(sessions, practice, sizes.many), *_sorts(sessions, practice), *_answers(sessions, practice),
            *_sums(sessions, practice), *_searches(sessions, practice), *_reports(sessions, practice),
        ]  # fmt: skip
        return [_preview(place, url, sessions, practice, sizes), *read]


def _preview(place: Place, url: str, sessions: Sessions, practice: Practice, sizes: Sizes) -> Row:
    product, bare = Watch(), Watch()
    for turn in range(sizes.times):
        place.settle_down()
        with product.running():
            runs.preview(sessions, practice.biller, key=f"preview {turn}")
        place.settle_down()
        with psycopg.connect(url) as connection, bare.running():
            connection.execute(_BARE, [practice.id])
            connection.commit()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("TRUNCATE job_item")
    ratio = product.median / bare.median
    return Row(
        f"preview of {sizes.many:,} claims with totals and chunks / a bare INSERT … SELECT", f"{product.median:.2f} s",
        f"{bare.median:.2f} s", f"{ratio:.2f} ×", f"at most {PREVIEW_RATIO_MAX:g} ×", ratio <= PREVIEW_RATIO_MAX,
    )  # fmt: skip


def pages(sessions: Sessions, practice: Practice, claims: int) -> list[Row]:
    """Return the rows of the feed's pages by date, in a practice with that many claims."""
    far = min(FAR_PAGE, claims // PAGE_CLAIMS // 2)
    after = _cursor(sessions, practice, place=far * PAGE_CLAIMS)
    return [
        _page("feed by date, first page", sessions, practice, feed.DEFAULT_SORT, None, PAGE_SECONDS_MAX),
        _page(f"feed by date, page {far:,}", sessions, practice, feed.DEFAULT_SORT, after, PAGE_SECONDS_MAX),
    ]


def _cursor(sessions: Sessions, practice: Practice, *, place: int) -> str:
    """Return the cursor after this many claims."""
    sort = feed.DEFAULT_SORT
    with sessions() as session:
        terms = feed.terms_for(session, practice.id, now=runs.utc_now())
        all_claims = select(Claim).where(Claim.practice_id == practice.id).order_by(*sort.whole_order(terms))
        last = session.scalars(all_claims.offset(place - 1).limit(1)).one()
    return Cursor(sort, backwards=False, claim_id=last.external_id, value=cursor_value(sort, last), place=place).text(
        practice.id
    )


def _sorts(sessions: Sessions, practice: Practice) -> list[Row]:
    others = [sort for sort in feed.SortBy if sort is not feed.SortBy.RECENT]
    return [
        _page(f"feed by {by.value.replace('_', ' ')}", sessions, practice, feed.Sort(by), None, OTHER_SECONDS_MAX)
        for by in others
    ]


def _answers(sessions: Sessions, practice: Practice) -> list[Row]:
    """Return pages filtered by payers' answers. No claim matches, so every claim is read."""
    found = []
    for key, value in _ANSWER_FILTERS.items():
        what = f"feed filtered by {key.replace('_', ' ')}"
        f = ClaimFilter.of({key: value})
        found.append(_page(what, sessions, practice, feed.DEFAULT_SORT, None, OTHER_SECONDS_MAX, f))
    return found


def _page(
    what: str,
    sessions: Sessions,
    practice: Practice,
    sort: feed.Sort,
    cursor: str | None,
    at_most: float,
    f: ClaimFilter = _EVERY_CLAIM,
) -> Row:
    def read() -> None:
        with sessions() as session:
            terms = feed.terms_for(session, practice.id, now=runs.utc_now())
            feed.page(session, practice.id, f, sort=sort, cursor=cursor, limit=PAGE_CLAIMS, terms=terms)

    return _p95(what, timed(read, times=TIMES), at_most)


def _sums(sessions: Sessions, practice: Practice) -> list[Row]:
    def totals() -> None:
        with sessions() as session:
            terms = feed.terms_for(session, practice.id, now=runs.utc_now())
            feed.totals_by_age(session, practice.id, ClaimFilter(), terms)

    def counts() -> None:
        with sessions() as session:
            terms = feed.terms_for(session, practice.id, now=runs.utc_now())
            feed.counts_by_billing_status(session, practice.id, ClaimFilter(), terms)

    return [
        _p95("feed's totals, in all and by age", timed(totals, times=TIMES // 2), OTHER_SECONDS_MAX),
        _p95("feed's counts", timed(counts, times=TIMES // 2), OTHER_SECONDS_MAX),
    ]


def _searches(sessions: Sessions, practice: Practice) -> list[Row]:
    """Return the rows of the search box. Each text matches few rows, so that the search reads everything."""

    def row(kind: str, text: str) -> Row:
        wanted = Search.of(text)
        assert wanted is not None

        def find() -> None:
            with sessions() as session:
                search.find(session, practice.id, wanted)

        return _p95(f"search by {kind}", timed(find, times=TIMES), OTHER_SECONDS_MAX)

    return [row(*one) for one in _SEARCHES.items()]


def _reports(sessions: Sessions, practice: Practice) -> list[Row]:
    asked = Asked(dt.date(2026, 1, 1), dt.date(2026, 12, 1))

    def write_offs() -> None:
        with sessions() as session:
            write_off_report.report(session, practice.id, asked)

    def by_age() -> None:
        with sessions() as session:
            aging.aging(session, practice.id, today=runs.utc_now().date())

    return [
        _p95("write-offs report of 10,000,000 write-offs", timed(write_offs, times=TIMES), REPORT_SECONDS_MAX),
        _p95("A/R aging", timed(by_age, times=TIMES), REPORT_SECONDS_MAX),
    ]


def _p95(what: str, watch: Watch, at_most: float) -> Row:
    return Row(f"{what}, p95", ms(watch.p95), "", "", f"under {ms(at_most)}", watch.p95 < at_most)

"""Migration 0020 copies saved filters as shared views. Schedules keep finding the same names."""

import psycopg
from alembic import command
from sqlalchemy import make_url

from core.claims.views import ViewContent
from core.migrations.run import _alembic_config, migrate_database
from core.models.feed_views import FeedView
from tests.core.migrations.renamed_rows import GROUND
from tests.servers import Databases

_QUERY = "billing_status=Settled&billing_status=Balance+Due&total_due_max=-0.50&on_hold=no&age_min_days=31&sort=-date"

_NOT_COPIED = (
    ("Ages", "billing_status=Settled&age_bucket=31-60"),
    ("Not a number", "total_due_max=NaN"),
    ("Fractions", "total_due_max=0.005"),
    ("Days", "age_min_days=x&office=1"),
    ("Maybe", "on_hold=maybe"),
    ("Typo", "billing_status=Settled&no_such=1"),
)

_SCHEDULE = """INSERT INTO schedule (practice_id, name, filter, local_time, weekdays, reason, note, claims_max,
    cents_max, mode, grace_minutes, mail_to, state, version, owner_id, active_since, created_at, created_by,
    changed_at, changed_by)
    VALUES (1, 'S', '{"patient": "Ortiz, A", "on_hold": false}', '02:00', '["mon"]', 'charity', '', 1, 1,
    'report', 60, '[]', 'active', 1, 1, now(), now(), 1, now(), 1)"""


def test_saved_filters_become_shared_views_of_their_owners(databases: Databases) -> None:
    with databases.fresh() as url:
        command.downgrade(_alembic_config(url), "0019")
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(GROUND)
            by_claim = "patient=Ana&sort=claim&limit=100"
            given = (("All", ""), ("all", "claim_id=1"), ("Old", _QUERY), ("By claim", by_claim), *_NOT_COPIED)
            for name, query in given:
                connection.execute(
                    "INSERT INTO saved_filter (practice_id, name, query, created_by, created_at) "
                    "VALUES (1, %s, %s, 1, now())",
                    [name, query],
                )

            connection.execute(_SCHEDULE)

            migrate_database(url)

            scheduled = connection.execute("SELECT filter FROM schedule").fetchone()
            kept = connection.execute("SELECT count(*) FROM saved_filter").fetchone()
            found = connection.execute("SELECT name, owner_id, shared, content FROM feed_view ORDER BY id").fetchall()
    contents = {name: ViewContent.stored(FeedView(content=content)) for name, _, _, content in found}
    assert {(owner, shared) for _, owner, shared, _ in found} == {(1, True)}
    assert kept == (len(given),)
    assert scheduled == ({"patient": '"Ortiz, A"', "on_hold": False},)
    assert {name.lower() for name in contents} == {"all", "all (2)", "old", "by claim"}
    alike = [content.filter.given() for name, content in contents.items() if name.lower().startswith("all")]
    assert sorted(alike, key=len) == [{}, {"claim_id": "1"}]
    assert contents["By claim"] == ViewContent.of(columns=[], sort="claim", filter_={"patient": "Ana"})
    assert contents["Old"] == ViewContent.of(
        columns=[],
        sort="recent",
        filter_={
            "billing_status": ["Settled", "Balance Due"],
            "total_due_max_cents": -50,
            "on_hold": False,
            "age_min_days": 31,
        },
    )

"""Keep sums of charges, write-offs and their reversals, so that the write-offs report need not read the ledger.

A trigger adds the postings of each statement as a few rows, in the same transaction. A worker that settles a chunk adds
the chunk's rows itself, which costs less, and says so in `settle.sums`. If a claim gets another payer or provider, a
second trigger moves its sums.

The previous version works unchanged, because the trigger also adds what its workers post. The migration reads the whole
ledger once. Until it commits, nothing can be posted.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
KINDS: Final = ("charge", "write_off", "reversal", "recovery", "replacement")
_COLUMNS: Final = "practice_id, month, kind, job_id, payer_ids, provider_ids, insurance_cents, patient_cents"
_SIDES: Final = ", ".join(
    f"coalesce(sum_cents(e.cents) FILTER (WHERE e.responsibility = '{side}'), 0) AS {side}_cents"
    for side in ("insurance", "patient")
)


def _entries(postings: str) -> str:
    """Return the query for what each posting adds: its kind in the report, the job that owns the write-off, cents."""
    return f"""
        SELECT p.practice_id, p.claim_id, p.posted_on, p.responsibility, 'charge' AS kind, NULL::bigint AS job_id,
               p.amount_cents AS cents
        FROM {postings} p WHERE p.kind = 'charge'
        UNION ALL
        SELECT p.practice_id, p.claim_id, p.posted_on, p.responsibility, p.kind,
               CASE p.kind WHEN 'write_off' THEN p.job_id ELSE j.reverses_job_id END, abs(p.amount_cents)
        FROM {postings} p LEFT JOIN settle_job j ON j.practice_id = p.practice_id AND j.id = p.job_id
        WHERE p.kind IN ('write_off', 'reversal') AND p.caused_by_id IS NULL
          AND (p.kind = 'write_off' OR p.job_id IS NOT NULL)
        UNION ALL
        SELECT p.practice_id, p.claim_id, p.posted_on, p.responsibility,
               CASE coalesce(voided.kind, cause.kind) WHEN 'payment' THEN 'recovery' ELSE 'replacement' END,
               p.origin_job_id, p.amount_cents
        FROM {postings} p
        JOIN posting cause ON cause.practice_id = p.practice_id AND cause.claim_id = p.claim_id
          AND cause.line = p.line AND cause.id = p.caused_by_id
        LEFT JOIN posting voided ON voided.practice_id = cause.practice_id AND voided.claim_id = cause.claim_id
          AND voided.line = cause.line AND voided.id = cause.reverses_id
        WHERE p.caused_by_id IS NOT NULL"""  # noqa: S608 – put together from constants


def _sums(postings: str) -> str:
    """Return the statement that adds the sums of these postings, by payer and provider, for each month, kind and job."""
    # Summed by day first, because computing the month of each posting would take longer than summing.
    return f"""
        INSERT INTO ledger_sum ({_COLUMNS})
        SELECT m.practice_id, m.month, m.kind, m.job_id, array_agg(m.payer_id), array_agg(m.provider_id),
               array_agg(m.insurance_cents), array_agg(m.patient_cents)
        FROM (
            SELECT d.practice_id, date_trunc('month', d.posted_on::timestamp)::date AS month, d.kind, d.job_id,
                   d.payer_id, d.provider_id, sum_cents(d.insurance_cents) AS insurance_cents,
                   sum_cents(d.patient_cents) AS patient_cents
            FROM (
                SELECT e.practice_id, e.posted_on, e.kind, e.job_id, c.primary_payer_id AS payer_id,
                       c.billing_provider_id AS provider_id, {_SIDES}
                FROM ({_entries(postings)}) e JOIN claim c ON c.practice_id = e.practice_id AND c.id = e.claim_id
                GROUP BY 1, 2, 3, 4, 5, 6
            ) d GROUP BY 1, 2, 3, 4, 5, 6
        ) m GROUP BY 1, 2, 3, 4"""  # noqa: S608 – as above


_ON_POSTING: Final = """
CREATE FUNCTION sum_postings() RETURNS trigger LANGUAGE plpgsql SET search_path = "{schema}", pg_temp SET jit = off AS $$
BEGIN
    IF current_setting('settle.sums', true) = 'chunk'
        OR NOT EXISTS (SELECT FROM added WHERE kind IN ('charge', 'write_off', 'reversal')) THEN
        RETURN NULL;
    END IF;
    EXECUTE $query${sums}$query$;
    RETURN NULL;
END $$
"""
_ON_CLAIM: Final = """
CREATE FUNCTION move_sums_of_claim() RETURNS trigger LANGUAGE plpgsql SET search_path = "{schema}", pg_temp AS $$
BEGIN
    INSERT INTO ledger_sum ({columns})
    SELECT f.practice_id, f.month, f.kind, f.job_id, ARRAY[OLD.primary_payer_id, NEW.primary_payer_id],
           ARRAY[OLD.billing_provider_id, NEW.billing_provider_id], ARRAY[-f.insurance_cents, f.insurance_cents],
           ARRAY[-f.patient_cents, f.patient_cents]
    FROM (
        SELECT e.practice_id, date_trunc('month', e.posted_on::timestamp)::date AS month, e.kind, e.job_id, {sides}
        FROM ({entries}) e GROUP BY 1, 2, 3, 4
    ) f;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    known = ", ".join(f"'{kind}'" for kind in KINDS)
    op.create_table(
        "ledger_sum",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        *(
            sa.Column(name, sa.ARRAY(sa.BigInteger()), nullable=False)
            for name in ("payer_ids", "provider_ids", "insurance_cents", "patient_cents")
        ),
        sa.CheckConstraint(f"kind IN ({known})", name="ledger_sum_kind_known"),
        sa.PrimaryKeyConstraint("practice_id", "month", "id", name="pk_ledger_sum"),
    )
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    op.execute("LOCK TABLE claim, posting IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_ON_POSTING.format(schema=schema, sums=_sums("added")))
    of_claim = "(SELECT * FROM posting WHERE practice_id = NEW.practice_id AND claim_id = NEW.id)"
    op.execute(_ON_CLAIM.format(schema=schema, entries=_entries(of_claim), columns=_COLUMNS, sides=_SIDES))
    op.execute(
        "CREATE TRIGGER posting_is_summed AFTER INSERT ON posting REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION sum_postings()"
    )
    op.execute(
        "CREATE TRIGGER claim_moves_its_sums AFTER UPDATE OF primary_payer_id, billing_provider_id ON claim FOR EACH ROW "
        "WHEN (OLD.primary_payer_id IS DISTINCT FROM NEW.primary_payer_id "
        "OR OLD.billing_provider_id <> NEW.billing_provider_id) EXECUTE FUNCTION move_sums_of_claim()"
    )
    op.execute(_sums("posting"))


def downgrade() -> None:
    op.execute("DROP TRIGGER claim_moves_its_sums ON claim")
    op.execute("DROP TRIGGER posting_is_summed ON posting")
    op.execute("DROP FUNCTION move_sums_of_claim()")
    op.execute("DROP FUNCTION sum_postings()")
    op.drop_table("ledger_sum")

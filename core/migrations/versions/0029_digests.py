"""Keep a digest of what each statement posts, and bind the digests to the audit log's chain.

A trigger adds a digest for each statement that posts. The links of a transaction's acts cover its digests, and the act
that ends a job covers those of the job. Existing postings get their digests here, and an act for each practice covers
them.

The previous version works unchanged. The migration reads the whole ledger once. Until it commits, nothing can be
posted.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
TABLE: Final = "posting_digest"
# The id alone may repeat after a restore into another server.
_SUBJECT: Final = "a_message_has_one_subject"
_SUBJECTS: Final = "notice_id, run_id, webhook_id, password_link_id"
_TRANSACTION: Final = "pg_current_xact_id() || '.' || extract(epoch FROM transaction_timestamp())"
# Short for jobs, because a chunk waits for it. The rest is what a job's postings have in common, which verify compares.
_LINE: Final = """CASE WHEN p.job_id IS NOT NULL
    THEN concat_ws('|', p.id, p.claim_id, p.line, p.responsibility, p.amount_cents, p.claim_version, p.reverses_id)
    ELSE concat_ws('|', p.id, p.claim_id, p.line, p.responsibility, p.amount_cents, coalesce(p.claim_version, 0),
        coalesce(p.reverses_id, 0), p.kind, coalesce(p.paid_by, ''), coalesce(p.group_code, ''),
        coalesce(p.reason_code, ''), coalesce(p.write_off_reason, ''), p.posted_on - date '1970-01-01',
        extract(epoch FROM p.created_at), coalesce(p.user_id, 0), coalesce(p.caused_by_id, 0),
        coalesce(p.origin_job_id, 0), coalesce(p.source, ''), coalesce(p.source_id, ''), coalesce(p.note, ''))
    END"""


# In blocks of ids, because a file may add millions of postings, and a text has at most 1 GB.
_BLOCK: Final = 100_000
_GROUPED: Final = f"GROUP BY p.practice_id, p.job_id, p.created_at, p.id / {_BLOCK}"
_IDS: Final = "range_agg(int8range(p.id, p.id, '[]'))"


def _digests(postings: str, ids: str = "NULL") -> str:
    """Return the statement that adds the digests of these postings."""
    return f"""
    INSERT INTO {TABLE} (practice_id, job_id, at, first_id, last_id, ids, postings, sha256, transaction_id)
    SELECT p.practice_id, p.job_id, p.created_at, min(p.id), max(p.id), {ids}, count(*),
           encode(sha256(convert_to(string_agg({_LINE}, E'\\n' ORDER BY p.id), 'UTF8')), 'hex'),
           {_TRANSACTION}
    FROM {postings} p {_GROUPED};"""  # noqa: S608 – constants


_WITHOUT_DIGEST: Final = f"""(SELECT q.* FROM posting q WHERE NOT EXISTS (
    SELECT FROM {TABLE} d WHERE d.practice_id = q.practice_id AND d.at = q.created_at
       AND coalesce(d.job_id, 0) = coalesce(q.job_id, 0) AND q.id BETWEEN d.first_id AND d.last_id
       AND (d.ids IS NULL OR q.id <@ d.ids)))"""  # noqa: S608 – constants
_IDS_BESIDE_OTHERS: Final = f"""CASE WHEN EXISTS (
    SELECT FROM {TABLE} d WHERE d.practice_id = p.practice_id AND d.at = p.created_at
       AND coalesce(d.job_id, 0) = coalesce(p.job_id, 0)
    ) THEN {_IDS} END"""
_ACTS: Final = f"""
INSERT INTO audit_entry (practice_id, at, act, subject, facts)
SELECT practice_id, transaction_timestamp(), 'digests.started', 'practice:' || practice_id,
       jsonb_build_object('postings', sum(postings))
FROM {TABLE} WHERE transaction_id = {_TRANSACTION} GROUP BY practice_id ORDER BY practice_id
"""  # noqa: S608 – constants
_ON_POSTING: Final = """
CREATE FUNCTION digest_postings() RETURNS trigger LANGUAGE plpgsql SET search_path = "{schema}", pg_temp SET jit = off
AS $$
BEGIN{digests}
    RETURN NULL;
EXCEPTION WHEN unique_violation THEN
    -- Another statement has postings of this job and this microsecond. Their ids may alternate.{with_ids}
    RETURN NULL;
END $$
"""
_AUDIT_DIGEST: Final = """
CREATE FUNCTION audit_digest(previous text, entry audit_entry, posted jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to((jsonb_build_array(
        previous, entry.practice_id, entry.id, extract(epoch FROM entry.at), entry.user_id, entry.act, entry.subject,
        entry.facts
    ) || posted)::text, 'UTF8')), 'hex')
$$
"""
_CHAIN: Final = f"""
CREATE OR REPLACE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
    this text := {_TRANSACTION};
    posted text;
BEGIN
    INSERT INTO audit_head (practice_id, number, digest) VALUES (NEW.practice_id, 0, '') ON CONFLICT DO NOTHING;
    SELECT encode(sha256(convert_to(string_agg(concat_ws('|', id, coalesce(job_id, 0), extract(epoch FROM at),
        first_id, last_id, postings, sha256), E'\\n' ORDER BY id), 'UTF8')), 'hex')
        INTO posted FROM {TABLE} WHERE practice_id = NEW.practice_id AND transaction_id = this;
    SELECT * INTO STRICT head FROM audit_head WHERE practice_id = NEW.practice_id FOR NO KEY UPDATE;
    head.number := head.number + 1;
    head.digest := audit_digest(
        head.digest, NEW, CASE WHEN posted IS NULL THEN '[]' ELSE jsonb_build_array(this, posted) END);
    INSERT INTO audit_link (practice_id, number, entry_id, digest, transaction_id, postings_sha256)
        VALUES (NEW.practice_id, head.number, NEW.id, head.digest,
                CASE WHEN posted IS NOT NULL THEN this END, posted);
    UPDATE audit_head SET number = head.number, digest = head.digest WHERE practice_id = NEW.practice_id;
    RETURN NULL;
END $$
"""  # noqa: S608 – constants
# As of 0004.
_AUDIT_DIGEST_BEFORE: Final = """
CREATE FUNCTION audit_digest(previous text, entry audit_entry) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(
        previous, entry.practice_id, entry.id, extract(epoch FROM entry.at), entry.user_id, entry.act, entry.subject,
        entry.facts
    )::text, 'UTF8')), 'hex')
$$
"""
_CHAIN_BEFORE: Final = """
CREATE OR REPLACE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
BEGIN
    INSERT INTO audit_head (practice_id, number, digest) VALUES (NEW.practice_id, 0, '') ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT head FROM audit_head WHERE practice_id = NEW.practice_id FOR NO KEY UPDATE;
    head.number := head.number + 1;
    head.digest := audit_digest(head.digest, NEW);
    INSERT INTO audit_link (practice_id, number, entry_id, digest)
        VALUES (NEW.practice_id, head.number, NEW.id, head.digest);
    UPDATE audit_head SET number = head.number, digest = head.digest WHERE practice_id = NEW.practice_id;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    if not sa.inspect(op.get_bind()).has_table(TABLE):  # a downgrade keeps it
        _create()
    _create_time_stamps()
    op.execute("LOCK TABLE posting IN SHARE ROW EXCLUSIVE MODE")
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    op.execute(_ON_POSTING.format(schema=schema, with_ids=_digests("added", _IDS), digests=_digests("added")))
    op.execute(
        "CREATE TRIGGER posting_is_digested AFTER INSERT ON posting REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION digest_postings()"
    )
    op.execute("DROP FUNCTION audit_digest(text, audit_entry)")
    op.execute(_AUDIT_DIGEST)
    op.execute(_CHAIN)
    op.execute(_digests(_WITHOUT_DIGEST, _IDS_BESIDE_OTHERS))
    op.execute(_ACTS)


def _create() -> None:
    op.create_table(
        TABLE,
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("ids", postgresql.INT8MULTIRANGE(), nullable=True),
        sa.Column("postings", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_posting_digest"),
    )
    op.create_index("ix_posting_digest_transaction", TABLE, ["practice_id", "transaction_id"])
    op.create_index(
        "uq_posting_digest_job",
        TABLE,
        ["practice_id", "job_id", "at", sa.text(f"(first_id / {_BLOCK})"), sa.text("coalesce(lower(ids), 0)")],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.execute(
        f"CREATE TRIGGER {TABLE}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.add_column("settle_job", sa.Column("items_sha256", sa.Text(), nullable=True))
    for name in ("transaction_id", "postings_sha256"):
        op.add_column("audit_link", sa.Column(name, sa.Text(), nullable=True))


def _create_time_stamps() -> None:
    op.create_table(
        "time_stamp",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_time_stamp_practice_practice_id"),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_time_stamp"),
        sa.UniqueConstraint("practice_id", "number", "digest", name="a_link_is_stamped_once"),
    )
    op.add_column("outbox", sa.Column("time_stamp_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        "fk_outbox_time_stamp_practice_id_time_stamp_id", "outbox", "time_stamp", ["practice_id", "time_stamp_id"],
        ["practice_id", "id"],
    )  # fmt: skip
    op.drop_constraint(_SUBJECT, "outbox")
    op.create_check_constraint(_SUBJECT, "outbox", f"num_nonnulls({_SUBJECTS}, time_stamp_id) = 1")


def downgrade() -> None:
    # The digests stay, because the chain's links cover them.
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.execute("DELETE FROM outbox WHERE time_stamp_id IS NOT NULL")
    op.drop_constraint(_SUBJECT, "outbox")
    op.drop_column("outbox", "time_stamp_id")
    op.create_check_constraint(_SUBJECT, "outbox", f"num_nonnulls({_SUBJECTS}) = 1")
    op.drop_table("time_stamp")
    op.execute(_AUDIT_DIGEST_BEFORE)
    op.execute(_CHAIN_BEFORE)
    op.execute("DROP FUNCTION audit_digest(text, audit_entry, jsonb)")
    op.execute("DROP TRIGGER posting_is_digested ON posting")
    op.execute("DROP FUNCTION digest_postings()")

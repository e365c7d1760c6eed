"""Edits by hand in the database of a dishonest owner: clumsy ones, and careful ones that keep the sums right."""

from typing import Final, NamedTuple

from core.books import invariants_digests


class Edit(NamedTuple):
    """Statements that change the books, and the invariant that finds them."""

    statements: tuple[str, ...]
    found_by: str
    tidy: bool = False  # what is derived from the ledger is recomputed afterward


def _of(claim: str, side: str = "patient", kind: str = "write_off") -> str:
    return (
        f"claim_id = (SELECT id FROM claim WHERE external_id = '{claim}') AND responsibility = '{side}' "
        f"AND kind = '{kind}'"
    )


def _add(claim: str, side: str, kind: str, cents: int) -> str:
    return f"UPDATE posting SET amount_cents = amount_cents + {cents} WHERE {_of(claim, side, kind)}"


def _copy(where: str, **changed: str) -> str:
    """Return an insert of a posting like the first one that matches."""
    columns = (
        "practice_id", "claim_id", "line", "responsibility", "kind", "amount_cents", "paid_by", "group_code",
        "reason_code", "write_off_reason", "note", "posted_on", "created_at", "user_id", "job_id", "claim_version",
        "reverses_id", "caused_by_id", "origin_job_id", "source", "source_id",
    )  # fmt: skip
    values = ", ".join(changed.get(name, name) for name in columns)
    return f"INSERT INTO posting ({', '.join(columns)}) SELECT {values} FROM posting WHERE {where} ORDER BY id LIMIT 1"


_BY_HAND: Final = "source = 'entry' AND kind = 'payment' AND amount_cents = -500"
_ADJUSTED: Final = "source = 'entry' AND kind = 'adjustment'"
_IMPORTED: Final = "source_id = 'i1'"
_ANSWERED: Final = "source = 'remittance' AND kind = 'payment'"
_A_JOB: Final = "practice_id = 1 AND job_id = {}"
_CLAIM_A: Final = "(SELECT id FROM claim WHERE external_id = 'A')"
_NO_ACTS: Final = (
    "DELETE FROM audit_link l USING audit_entry e WHERE e.id = l.entry_id AND {}", "DELETE FROM audit_entry WHERE {}"
)  # fmt: skip
# Write each digest as if its postings had always been what they are now.
_DIGESTS_AGAIN: Final = f"""
UPDATE posting_digest d SET postings = s.postings, sha256 = s.sha256 FROM (
    SELECT d.practice_id, d.id, count(*) AS postings, encode(sha256(convert_to(string_agg(
        {invariants_digests._LINE}, E'\\n' ORDER BY p.id), 'UTF8')), 'hex') AS sha256
    FROM {invariants_digests._DIGESTED} GROUP BY 1, 2
) s WHERE s.practice_id = d.practice_id AND s.id = d.id"""
# Number the links again, and recompute each digest from the one before.
CHAIN_AGAIN: Final = """
DO $$
DECLARE one record; previous text := ''; place bigint := 0;
BEGIN
    CREATE TEMP TABLE links AS SELECT * FROM audit_link;
    DELETE FROM audit_link;
    FOR one IN SELECT e.*, k.transaction_id, k.postings_sha256 FROM links k JOIN audit_entry e ON e.id = k.entry_id
               ORDER BY k.number LOOP
        place := place + 1;
        previous := encode(sha256(convert_to((jsonb_build_array(previous, one.practice_id, one.id,
            extract(epoch FROM one.at), one.user_id, one.act, one.subject, one.facts)
            || CASE WHEN one.postings_sha256 IS NULL THEN '[]'
                    ELSE jsonb_build_array(one.transaction_id, one.postings_sha256) END)::text, 'UTF8')), 'hex');
        INSERT INTO audit_link VALUES (one.practice_id, place, one.id, previous, one.transaction_id,
                                       one.postings_sha256);
    END LOOP;
    UPDATE audit_head SET number = place, digest = previous;
    DROP TABLE links;
END $$"""

_GONE: Final = (
    "DELETE FROM posting WHERE job_id IN (2, 3) OR caused_by_id IS NOT NULL",
    "DELETE FROM outbox", "DELETE FROM notice", "DELETE FROM event",
    "DELETE FROM job_chunk WHERE job_id IN (2, 3)",
    "DELETE FROM settle_job WHERE id = 3", "DELETE FROM settle_job WHERE id = 2",
)  # fmt: skip

SIGN_ON_EDITS: Final = (
    "UPDATE single_sign_on SET issuer = 'https://mine.example'", "UPDATE single_sign_on SET issuer_set_by = NULL",
    "UPDATE single_sign_on SET client_secret = 'mine'", "UPDATE group_role SET role = 'admin' WHERE position = 0",
    "INSERT INTO sign_in_domain (domain, practice_id) VALUES ('mine.example', 1)",
    "UPDATE group_role SET set_by = NULL", "DELETE FROM single_sign_on",
)  # fmt: skip

EDITS: Final[dict[str, Edit]] = {
    "a write-off is deleted": Edit((f"DELETE FROM posting WHERE {_of('A')}",), "lines_equal_postings"),
    "a write-off is deleted, and its item is skipped": Edit(
        (
            f"DELETE FROM posting WHERE {_of('A')} OR {_of('A', 'insurance')}",
            f"UPDATE job_item SET outcome = 'skipped', code = 'on_hold' WHERE claim_id = {_CLAIM_A}",
            "UPDATE claim SET billing_status = 'Balance Due' WHERE external_id = 'A'",
        ),
        "a_job_is_as_it_ended", tidy=True,
    ),
    "a write-off is lowered": Edit((_add("A", "patient", "write_off", 1_00),), "lines_equal_postings"),
    "a write-off is lowered, and so is its charge": Edit(
        (_add("A", "patient", "write_off", 1_00), _add("A", "patient", "charge", -1_00)),
        "a_job_is_as_it_ended", tidy=True,
    ),
    "a write-off is moved to another open month": Edit(
        (f"UPDATE posting SET posted_on = '2026-10-15' WHERE {_of('A')}",), "report_sums_equal_postings"
    ),
    "a job and its write-offs are moved to another open month": Edit(
        (
            "UPDATE posting SET posted_on = '2026-10-15' WHERE job_id = 2",
            "UPDATE settle_job SET posting_date = '2026-10-15' WHERE id = 2",
        ),
        "jobs_are_as_they_were_confirmed", tidy=True,
    ),
    "two claims swap their write-offs": Edit(
        (_add("A", "insurance", "write_off", 10_00), _add("B", "insurance", "write_off", -10_00)),
        "lines_equal_postings",
    ),
    "two claims of a chunk swap their write-offs and charges": Edit(
        (
            _add("A", "insurance", "write_off", 10_00), _add("B", "insurance", "write_off", -10_00),
            _add("A", "insurance", "charge", -10_00), _add("B", "insurance", "charge", 10_00),
        ),
        "postings_are_as_they_were_posted", tidy=True,
    ),
    "two claims of a chunk swap their write-offs, charges and digests": Edit(
        (
            _add("A", "insurance", "write_off", 10_00), _add("B", "insurance", "write_off", -10_00),
            _add("A", "insurance", "charge", -10_00), _add("B", "insurance", "charge", 10_00), _DIGESTS_AGAIN,
        ),
        "jobs_posted_what_their_acts_say", tidy=True,
    ),
    "cents are shifted from one claim of a chunk to another": Edit(
        (_add("C", "patient", "write_off", 1), _add("D", "patient", "write_off", -1)), "settled_items_equal_postings"
    ),
    "cents are shifted within a chunk, with the charges": Edit(
        (
            _add("C", "patient", "write_off", 1), _add("D", "patient", "write_off", -1),
            _add("C", "patient", "charge", -1), _add("D", "patient", "charge", 1),
        ),
        "postings_are_as_they_were_posted", tidy=True,
    ),
    "a write-off gets another reason": Edit(
        (f"UPDATE posting SET write_off_reason = 'charity' WHERE {_of('A')}",), "postings_are_as_their_job"
    ),
    "a job and its write-offs get another reason": Edit(
        (
            "UPDATE posting SET write_off_reason = 'charity' WHERE job_id = 2",
            """UPDATE settle_job SET reason = 'charity', practice_reason = practice_reason || '{"code": "charity"}'
               WHERE id = 2""",
        ),
        "jobs_are_as_they_were_confirmed",
    ),
    "a write-off gets another person": Edit(
        (f"UPDATE posting SET user_id = 2 WHERE {_of('A')}",), "postings_are_as_their_job"
    ),
    "a job and its write-offs get another person": Edit(
        (
            "UPDATE posting SET user_id = 2 WHERE job_id = 2",
            "UPDATE settle_job SET confirmed_by = 2, requested_by = 2 WHERE id = 2",
        ),
        "jobs_name_the_users_of_their_acts",
    ),
    "a payment by hand is lowered": Edit(
        (f"UPDATE posting SET amount_cents = -400 WHERE {_BY_HAND}",), "lines_equal_postings"
    ),
    "a payment by hand is lowered, and the balance too": Edit(
        (f"UPDATE posting SET amount_cents = -400 WHERE {_BY_HAND}",), "postings_are_as_they_were_posted", tidy=True
    ),
    "a payment by hand is lowered, with the balance and the digest": Edit(
        (f"UPDATE posting SET amount_cents = -400 WHERE {_BY_HAND}", _DIGESTS_AGAIN), "postings_have_their_act",
        tidy=True,
    ),
    "a payment by hand is slipped in": Edit(
        (_copy(_BY_HAND, source_id="'x:0'"),), "lines_equal_postings"
    ),
    "a payment by hand is slipped in, and the balance too": Edit(
        (_copy(_BY_HAND, source_id="repeat('ab', 32) || ':0'"),), "every_posting_has_a_digest", tidy=True
    ),
    "a payment by hand is slipped in, with the balance and a digest": Edit(
        (
            _copy(_BY_HAND, source_id="repeat('ab', 32) || ':0'"),
            """INSERT INTO posting_digest (practice_id, at, first_id, last_id, ids, postings, sha256, transaction_id)
               SELECT practice_id, created_at, id, id, int8multirange(int8range(id, id, '[]')), 1, '', 'x'
               FROM posting ORDER BY id DESC LIMIT 1""",
            _DIGESTS_AGAIN,
        ),
        "postings_have_their_act", tidy=True,
    ),
    "a payment by hand is deleted": Edit((f"DELETE FROM posting WHERE {_BY_HAND}",), "lines_equal_postings"),
    "a payment by hand is deleted, and the balance too": Edit(
        (f"DELETE FROM posting WHERE {_BY_HAND}",), "postings_are_as_they_were_posted", tidy=True
    ),
    "an adjustment by hand gets another reason": Edit(
        (f"UPDATE posting SET group_code = 'PI', reason_code = '131' WHERE {_ADJUSTED}",),
        "postings_are_as_they_were_posted",
    ),
    "an adjustment by hand is raised, and the balance too": Edit(
        (f"UPDATE posting SET amount_cents = -6000 WHERE {_ADJUSTED}",), "postings_are_as_they_were_posted", tidy=True
    ),
    "a posting without a source is slipped in": Edit(
        (_copy(_BY_HAND, source="NULL", source_id="NULL", user_id="NULL"),), "lines_equal_postings"
    ),
    "a posting without a source is slipped in, and the balance too": Edit(
        (_copy(_BY_HAND, source="NULL", source_id="NULL", user_id="NULL"),), "every_posting_has_a_digest", tidy=True
    ),
    "a write-off without a job": Edit(
        (_copy(_of("A"), claim_id="(SELECT id FROM claim WHERE external_id = 'O')", job_id="NULL"),),
        "lines_equal_postings",
    ),
    "a write-off without a job, and the balance too": Edit(
        (_copy(_of("A"), claim_id="(SELECT id FROM claim WHERE external_id = 'O')", job_id="NULL",
               amount_cents="-1000"),),
        "every_write_off_has_its_job", tidy=True,
    ),
    "an imported payment is raised": Edit(
        (f"UPDATE posting SET amount_cents = -4000 WHERE {_IMPORTED}",), "lines_equal_postings"
    ),
    "an imported payment is raised, and the balance too": Edit(
        (f"UPDATE posting SET amount_cents = -4000 WHERE {_IMPORTED}",), "postings_are_as_they_were_posted", tidy=True
    ),
    "a payment is slipped into an import": Edit(
        (_copy(_IMPORTED, created_at="created_at + interval '1 minute'", source_id="'i9'"),),
        "imported_postings_have_their_import", tidy=True,
    ),
    "a payment is slipped into an import at its time": Edit(
        (_copy(_IMPORTED, source_id="'i9'"),), "every_posting_has_a_digest", tidy=True
    ),
    "a remittance's payment is raised": Edit(
        (f"UPDATE posting SET amount_cents = amount_cents - 100 WHERE {_ANSWERED}",), "remittances_post_what_they_say",
        tidy=True,
    ),
    "a remittance and its payment are raised": Edit(
        (
            f"UPDATE posting SET amount_cents = amount_cents - 100 WHERE {_ANSWERED}",
            "UPDATE remittance_claim SET paid_cents = paid_cents + 100",
            "UPDATE remittance SET paid_cents = paid_cents + 100, claims_cents = claims_cents + 100",
        ),
        "remittances_are_as_they_were_recorded", tidy=True,
    ),
    "a whole job is gone": Edit(
        _GONE, "items_are_claims", tidy=True
    ),
    "a whole job is gone, with what came after it": Edit(
        (
            *_GONE, "DELETE FROM job_item WHERE job_id IN (2, 3)",
            "UPDATE claim SET billing_status = 'Balance Due' WHERE external_id IN ('E', 'F')",
        ),
        "every_job_of_an_act_exists", tidy=True,
    ),
    "an approval is forged": Edit(
        ("UPDATE settle_job SET decided_by = 2 WHERE id = 1",), "jobs_name_the_users_of_their_acts"
    ),
    "a job needed no approval": Edit(
        (
            """UPDATE settle_job SET decided_by = NULL, decided_at = NULL, approval_requested_at = NULL,
               limits_exceeded = '[]', "over" = '[]', limits = limits - 'practice_job_cents' WHERE id = 1""",
        ),
        "jobs_are_as_they_were_confirmed",
    ),
    "the items of a confirmed job are raised": Edit(
        ("UPDATE job_item SET patient_cents = 9000 WHERE job_id = 4",), "jobs_are_as_they_were_confirmed"
    ),
    "a confirmed job gets another claim": Edit(
        (
            """UPDATE job_item SET claim_id = (SELECT id FROM claim WHERE external_id = 'H'),
               claim_version = (SELECT version FROM claim WHERE external_id = 'H') WHERE job_id = 4""",
        ),
        "jobs_are_as_they_were_confirmed",
    ),
    "an exclusion is gone": Edit(
        ("DELETE FROM exclusion WHERE id = 1",), "exclusions_are_as_the_audit_says"
    ),
    "an exclusion has ended": Edit(
        ("UPDATE exclusion SET ended_by = 2, ended_at = created_at + interval '1 day' WHERE id = 1",),
        "exclusions_are_as_the_audit_says",
    ),
    "an exclusion has another patient": Edit(
        ("UPDATE exclusion SET patient_id = (SELECT id FROM patient WHERE external_id = 'P-O') WHERE id = 1",),
        "exclusions_are_as_the_audit_says",
    ),
    "a hold is gone": Edit(
        (
            """UPDATE claim SET hold = NULL, hold_by = NULL, hold_at = NULL, hold_reason = NULL,
               version = version + 1 WHERE external_id = 'H'""",
        ),
        "holds_are_as_the_audit_says",
    ),
    "a hold is slipped in": Edit(
        ("UPDATE claim SET hold = 'legal_hold', hold_by = 2, hold_at = now() WHERE external_id = 'O'",),
        "holds_are_as_the_audit_says",
    ),
    "a practice's limit is raised": Edit(
        ("UPDATE practice SET job_limit_cents = 9000000",), "settings_are_as_the_audit_says"
    ),
    "a user's limit is lowered": Edit(
        ("UPDATE app_user SET claim_limit_cents = 0 WHERE id = 2",), "users_are_as_the_audit_says"
    ),
    "a user's role is raised": Edit(
        ("UPDATE app_user SET role = 'admin' WHERE id = 3",), "users_are_as_the_audit_says"
    ),
    "an account is slipped in": Edit(
        (
            """INSERT INTO app_user (practice_id, email, name, role, password_hash, active, created_at)
               SELECT 1, 'x@example.org', 'X', 'approver', '-', true, '2026-11-01'""",
        ),
        "users_are_as_the_audit_says",
    ),
    "the setting is changed": Edit(
        ("UPDATE practice SET write_off = 'patient'",), "settings_are_as_the_audit_says"
    ),
    "the identity provider is changed": Edit((SIGN_ON_EDITS[0],), "single_sign_on_is_as_the_audit_says"),
    "an identity is changed": Edit(("UPDATE user_identity SET subject = '8'",), "identities_are_as_the_audit_says"),
    "a trigger is left off": Edit(
        ("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_only_grows",), "guards_are_in_place"
    ),
    "a trigger is gone": Edit(("DROP TRIGGER posting_only_grows ON posting",), "guards_are_in_place"),
    "a function's body is changed": Edit(
        (
            """CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RETURN NULL; END $$""",
        ),
        "guards_are_in_place",
    ),
    "a trigger is added": Edit(
        (
            """CREATE TRIGGER hides BEFORE INSERT ON posting FOR EACH ROW WHEN (NEW.amount_cents = 1)
               EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
        ),
        "guards_are_in_place",
    ),
    "a role may change postings": Edit(("GRANT UPDATE ON posting TO settle_web",), "guards_are_in_place"),
    "a trigger's function loses its owner's rights": Edit(
        ("ALTER FUNCTION chain_audit() SECURITY INVOKER",), "guards_are_in_place"
    ),
    "a table has no row-level security": Edit(
        ("ALTER TABLE patient DISABLE ROW LEVEL SECURITY",), "practices_are_kept_apart"
    ),
    "a policy shows every practice": Edit(
        ("CREATE POLICY all_rows ON claim FOR SELECT TO settle_web USING (true)",), "practices_are_kept_apart"
    ),
    "a policy is gone": Edit(("DROP POLICY rows_of_practice ON claim",), "practices_are_kept_apart"),
    "a policy is replaced": Edit(
        ("ALTER POLICY rows_of_practice ON patient USING (practice_id > 0)",), "practices_are_kept_apart"
    ),
    "a rule swallows entries of the audit": Edit(
        ("CREATE RULE quiet AS ON INSERT TO audit_entry DO INSTEAD NOTHING",), "guards_are_in_place"
    ),
    "a certificate's balances are raised": Edit(
        ("UPDATE job_chunk SET insurance_before_cents = insurance_before_cents + 1 WHERE job_id = 1",),
        "jobs_reconcile",
    ),
    "a certificate's balances are raised on both sides": Edit(
        (
            """UPDATE job_chunk SET insurance_before_cents = insurance_before_cents + 1,
               insurance_after_cents = insurance_after_cents + 1 WHERE job_id = 1""",
        ),
        "a_job_is_as_it_ended",
    ),
    "a certificate's note is changed": Edit(
        ("UPDATE settle_job SET note = 'By order of the owner' WHERE id = 1",), "jobs_are_as_they_were_confirmed"
    ),
    "an act is changed": Edit(
        ("UPDATE audit_entry SET user_id = 2 WHERE act = 'job.approved'",), "every_digest_is_right"
    ),
    "an act is gone": Edit(
        tuple(one.format("act = 'claim.held'") for one in _NO_ACTS), "the_chain_has_no_gap"
    ),
    "the last act is gone": Edit(
        tuple(one.format("act = 'month.closed'") for one in _NO_ACTS), "the_head_is_the_last_link"
    ),
}  # fmt: skip

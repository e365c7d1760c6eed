"""Which claims a 277CA moves to another status.

A status never moves back: not after a remittance, and not by an acknowledgment that is older than the last one or than
the last time the claim was sent to the payer.
"""

from typing import Final

# Those that came before their claims. They have no place in the files.
ADD_WAITING: Final = """
    INSERT INTO stage_acknowledged (at, claim, payer, status_on, status, payer_number)
    SELECT 0, w.claim_number, nullif(w.payer, ''), w.status_on, w.status, w.payer_claim_number
    FROM waiting_acknowledgment w
    WHERE w.practice_id = :practice_id
      AND (EXISTS (SELECT FROM claim c WHERE c.practice_id = w.practice_id AND c.external_id = w.claim_number)
           OR EXISTS (SELECT FROM sent_number n WHERE n.practice_id = w.practice_id AND n.number = w.claim_number)
           OR w.claim_number IN (SELECT external_id FROM stage_claim UNION ALL SELECT number FROM stage_sent_number))
"""
# A clearinghouse may name a claim by the number of its replacement.
RENUMBER: Final = """
    UPDATE stage_acknowledged a SET claim = n.claim
    FROM (SELECT number, claim FROM stage_sent_number
          UNION SELECT s.number, c.external_id FROM sent_number s
          JOIN claim c ON c.practice_id = s.practice_id AND c.id = s.claim_id WHERE s.practice_id = :practice_id) n
    WHERE n.number = a.claim
      AND NOT EXISTS (SELECT FROM claim c WHERE c.practice_id = :practice_id AND c.external_id = a.claim)
"""
# The last word about each claim and payer.
NEWEST: Final = """
    CREATE TEMP TABLE stage_last_word ON COMMIT DROP AS
    SELECT DISTINCT ON (claim, payer) * FROM stage_acknowledged
    ORDER BY claim, payer, status_on DESC NULLS LAST, at DESC
"""
_UNKNOWN: Final = """
    FROM stage_last_word a
    WHERE NOT EXISTS (SELECT FROM stage_claim s WHERE s.external_id = a.claim)
      AND NOT EXISTS (SELECT FROM claim c WHERE c.practice_id = :practice_id AND c.external_id = a.claim)
"""
NOT_FOUND: Final = f"SELECT DISTINCT a.claim {_UNKNOWN} ORDER BY a.claim"
COUNT_NEW_WAITING: Final = f"""
    SELECT count(*) {_UNKNOWN} AND NOT EXISTS (
        SELECT FROM waiting_acknowledgment w WHERE w.practice_id = :practice_id AND w.claim_number = a.claim
        AND w.payer = coalesce(a.payer, '') AND w.status = a.status AND w.status_on IS NOT DISTINCT FROM a.status_on)
"""  # noqa: S608  constants
KEEP_WAITING: Final = (
    """
    DELETE FROM waiting_acknowledgment w
    WHERE w.practice_id = :practice_id
      AND (EXISTS (SELECT FROM claim c WHERE c.practice_id = w.practice_id AND c.external_id = w.claim_number)
           OR EXISTS (SELECT FROM sent_number n WHERE n.practice_id = w.practice_id AND n.number = w.claim_number))
    """,
    f"""
    INSERT INTO waiting_acknowledgment (practice_id, claim_number, payer, status, status_on, payer_claim_number)
    SELECT :practice_id, a.claim, coalesce(a.payer, ''), a.status, a.status_on, a.payer_number {_UNKNOWN}
    ON CONFLICT (practice_id, claim_number, payer) DO UPDATE
    SET status = excluded.status, status_on = excluded.status_on, payer_claim_number = excluded.payer_claim_number
    WHERE excluded.status_on >= coalesce(waiting_acknowledgment.status_on, excluded.status_on)
    """,  # noqa: S608  constants
)
# The claims as they will be before the acknowledgments: new ones from the stages, the others from the practice.
APPLICABLE: Final = """
    CREATE TEMP TABLE stage_acknowledged_claim ON COMMIT DROP AS
    WITH one AS (
        SELECT c.external_id AS claim, false AS is_new, f.external_id AS first_payer, g.external_id AS second_payer,
               c.primary_status, c.secondary_status, p.sent_at AS first_sent, s.sent_at AS second_sent,
               p.status_on AS first_status_on, s.status_on AS second_status_on,
               coalesce(s.sent_at > coalesce(p.sent_at, '-infinity'), false) AS is_with_second
        FROM claim c
        LEFT JOIN payer f ON f.practice_id = c.practice_id AND f.id = c.primary_payer_id
        LEFT JOIN payer g ON g.practice_id = c.practice_id AND g.id = c.secondary_payer_id
        LEFT JOIN sent_claim p ON p.practice_id = c.practice_id AND p.claim_id = c.id AND p.payer_order = 'P'
        LEFT JOIN sent_claim s ON s.practice_id = c.practice_id AND s.claim_id = c.id AND s.payer_order = 'S'
        WHERE c.practice_id = :practice_id AND c.external_id IN (SELECT claim FROM stage_last_word)
        UNION ALL
        SELECT s.external_id, true, s.primary_payer, s.secondary_payer, s.primary_status, s.secondary_status,
               CASE WHEN p.destination = 'P' THEN p.sent_at END, CASE WHEN p.destination = 'S' THEN p.sent_at END,
               NULL, NULL, p.destination = 'S'
        FROM stage_claim s JOIN stage_picked_copy p ON p.claim = s.external_id
        WHERE NOT EXISTS (SELECT FROM claim c WHERE c.practice_id = :practice_id AND c.external_id = s.external_id)
    )
    SELECT a.at, a.claim, one.is_new, a.status_on, a.status, a.payer_number, side.is_second,
           CASE WHEN side.is_second THEN one.secondary_status ELSE one.primary_status END AS old,
           CASE WHEN side.is_second THEN one.second_sent ELSE one.first_sent END AS sent_at,
           CASE WHEN side.is_second THEN one.second_status_on ELSE one.first_status_on END AS last_status_on
    FROM stage_last_word a JOIN one ON one.claim = a.claim
    CROSS JOIN LATERAL (SELECT CASE WHEN a.payer = one.first_payer THEN false WHEN a.payer = one.second_payer THEN true
                                    ELSE one.is_with_second END AS is_second) side
"""
CHANGES: Final = """
    CREATE TEMP TABLE stage_status_change ON COMMIT DROP AS
    WITH ranked(status, rank) AS (VALUES ('none', 0), ('In Process at Clearinghouse', 1), ('In Process at Payer', 2),
                                         ('Payer Acknowledged', 3))
    SELECT DISTINCT ON (claim, is_second) a.*,
           CASE WHEN is_second THEN 'secondary_status' ELSE 'primary_status' END AS field
    FROM stage_acknowledged_claim a
    LEFT JOIN ranked o ON o.status = a.old
    LEFT JOIN ranked n ON n.status = a.status
    WHERE a.old <> a.status
      AND (a.sent_at IS NULL OR a.status_on IS NULL OR a.status_on + 1 > a.sent_at)
      AND (a.last_status_on IS NULL OR a.status_on >= a.last_status_on)
      AND CASE WHEN a.old = 'Rejected' THEN a.status_on > a.last_status_on OR a.sent_at > a.last_status_on
               ELSE o.rank IS NOT NULL AND (a.status = 'Rejected' OR n.rank > o.rank) END
    ORDER BY claim, is_second, status_on DESC NULLS LAST, at DESC
"""
COUNT_BY_STATUS: Final = (
    "SELECT status, count(DISTINCT claim) AS claims FROM stage_status_change GROUP BY status ORDER BY status"
)
REJECTED: Final = "SELECT DISTINCT claim FROM stage_status_change WHERE status = 'Rejected' ORDER BY claim"
NEW_CLAIMS: Final = tuple(
    f"""
    UPDATE stage_claim s SET {field} = a.status FROM stage_status_change a
    WHERE a.is_new AND a.claim = s.external_id AND a.field = '{field}'
    """  # noqa: S608  constants
    for field in ("primary_status", "secondary_status")
)
# A remittance in the same import may have moved the claim since.
TO_APPLY: Final = """
    INSERT INTO stage_difference (at, record, number, field, old, new)
    SELECT a.at, 'claim', a.claim, a.field, a.old, a.status
    FROM stage_status_change a JOIN claim c ON c.practice_id = :practice_id AND c.external_id = a.claim
    WHERE NOT a.is_new AND CASE WHEN a.is_second THEN c.secondary_status ELSE c.primary_status END = a.old
"""
DATES: Final = """
    UPDATE sent_claim s SET status_on = a.status_on
    FROM stage_acknowledged_claim a JOIN claim c ON c.practice_id = :practice_id AND c.external_id = a.claim
    WHERE s.practice_id = c.practice_id AND s.claim_id = c.id
      AND s.payer_order = CASE WHEN a.is_second THEN 'S' ELSE 'P' END
      AND a.status_on >= coalesce(s.status_on, a.status_on) AND (s.sent_at IS NULL OR a.status_on + 1 > s.sent_at)
"""
PAYER_NUMBERS: Final = """
    UPDATE sent_claim s SET payer_claim_number = a.payer_number
    FROM stage_acknowledged_claim a JOIN claim c ON c.practice_id = :practice_id AND c.external_id = a.claim
    WHERE s.practice_id = c.practice_id AND s.claim_id = c.id AND a.payer_number IS NOT NULL
      AND s.payer_order = CASE WHEN a.is_second THEN 'S' ELSE 'P' END
      AND s.payer_claim_number IS DISTINCT FROM a.payer_number
"""

"""Rows in the column names before migration 0007, and another value for each renamed column."""

import datetime as dt
from typing import Any, Final

from psycopg.types.json import Jsonb

AT: Final = dt.datetime(2026, 11, 23, 15, 0, tzinfo=dt.UTC)
LATER: Final = AT + dt.timedelta(days=1)
MONTH: Final = dt.date(2026, 10, 1)

# What the rows below refer to.
GROUND: Final = """
INSERT INTO practice (name, time_zone, write_off, recent_payment_days, created_at)
    VALUES ('P', 'America/Chicago', 'both', 0, now());
INSERT INTO app_user (practice_id, email, name, role, password_hash, active, created_at)
    VALUES (1, 'a@example.org', 'A', 'biller', '', true, now());
INSERT INTO patient (practice_id, external_id, name) VALUES (1, 'A', 'A');
INSERT INTO office (practice_id, external_id, name) VALUES (1, 'O', 'O');
INSERT INTO provider (practice_id, external_id, name) VALUES (1, 'D', 'D');
INSERT INTO period (practice_id, month, state) VALUES (1, '2026-10-01', 'open');
"""

# A row of each table in the old names. A job needs the schedule before it.
ROWS: Final[dict[str, dict[str, Any]]] = {
    "schedule": {
        "practice_id": 1, "name": "S", "filter": Jsonb({}), "local_time": dt.time(2), "weekdays": Jsonb(["mon"]),
        "reason": "small_balance", "note": "", "claims_max": 10, "cents_max": 10, "mode": "settle",
        "late_minutes": 90, "mail_to": Jsonb([]), "state": "active", "owner_id": 1, "version": 1, "counts_from": AT,
        "made_at": AT, "made_by": 7, "changed_at": AT, "changed_by": 1,
    },
    "settle_job": {
        "practice_id": 1, "kind": "settle", "status": "previewed", "target_status": "Settled", "selection": Jsonb({}),
        "reason": "small_balance", "note": "", "include": Jsonb(["on_hold"]), "setting": "both",
        "provider_settings": Jsonb({}), "rule_values": Jsonb({}), "as_of": MONTH, "posting_date": MONTH,
        "requested_by": 1, "requested_at": AT, "idempotency_key": "J", "request_hash": "", "forgiven_done": 5,
        "forgiven_failed": 3, "schedule_id": 1, "schedule_made_by": 7, "night": MONTH, "after_preview": "report",
        "over": Jsonb([{"limit": 1}]), "approval_asked_at": AT,
    },
    "schedule_run": {
        "practice_id": 1, "schedule_id": 1, "run_key": "R", "asked_by": 7, "due_at": AT, "begun_at": AT,
        "mode": "settle", "asked": Jsonb({"name": "S"}), "outcome": "missed", "because": "late", "mail_state": "due",
        "mail_left": Jsonb(["a@example.org"]), "mail_again": True, "mail_since": AT, "mail_tries": 0,
    },
    "exclusion": {
        "practice_id": 1, "patient_id": 1, "why": "Letter", "made_by": 7, "made_at": AT, "ended_at": AT,
    },
    "watch_process": {
        "name": "web", "kind": "web", "version": "1", "started_at": AT, "seen_at": AT, "says": Jsonb({"jobs": 1}),
    },
    "claim": {
        "practice_id": 1, "external_id": "C", "version": 1, "patient_id": 1, "office_id": 1, "billing_provider_id": 1,
        "claim_type": "Professional", "service_date": MONTH, "billing_status": "Balance Due",
        "primary_status": "none", "secondary_status": "none", "hold": "hold", "hold_why": "Letter",
        "balance_mismatch": False, "billed": 0, "adjustment": 0, "primary_paid": 0, "secondary_paid": 0,
        "patient_paid": 0, "insurance_due": 0, "patient_due": 0, "has_credit_line": False,
    },
}  # fmt: skip

# Another value for each column under its new name.
OTHER: Final[dict[tuple[str, str], Any]] = {
    ("settle_job", "limits_exceeded"): [],
    ("settle_job", "budget_baseline_done"): 50,
    ("settle_job", "budget_baseline_failed"): 30,
    ("settle_job", "next_step"): "confirm",
    ("settle_job", "run_date"): dt.date(2026, 11, 1),
    ("settle_job", "overridden_rules"): [],
    ("settle_job", "schedule_created_by"): 8,
    ("settle_job", "approval_requested_at"): LATER,
    ("schedule", "grace_minutes"): 15,
    ("schedule", "active_since"): LATER,
    ("schedule", "created_at"): LATER,
    ("schedule", "created_by"): 8,
    ("schedule_run", "reason_code"): "paused",
    ("schedule_run", "schedule_snapshot"): {"name": "T"},
    ("schedule_run", "requested_by"): 8,
    ("schedule_run", "created_at"): LATER,
    ("schedule_run", "mail_pending_to"): [],
    ("schedule_run", "mail_followup"): False,
    ("schedule_run", "mail_queued_at"): LATER,
    ("exclusion", "reason"): "Call",
    ("exclusion", "created_at"): LATER,
    ("exclusion", "created_by"): 8,
    ("watch_process", "details"): {"jobs": 2},
    ("claim", "hold_reason"): "Call",
}

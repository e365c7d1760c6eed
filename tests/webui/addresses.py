"""Every address of the pages and the API with the action that it needs, and what each accepts."""

import re

from core.access.permissions import Action

API = "/api/v1"
PUBLIC = {
    "/sign-in", "/sign-out", "/healthz", "/readyz", "/metrics", "/", "/favicon.ico", "/static/<path:filename>",
    f"{API}/docs", f"{API}/docs/<path:name>", f"{API}/openapi.json", f"{API}/login",
    "/forgot-password", "/set-password/<token>",
    # For every role: your own account, and the token of the request.
    "/account", "/account/password", f"{API}/account/password", f"{API}/logout",
    "/account/sessions/<int(max=9223372036854775807):session_id>/end", "/account/sessions/end-others",
    f"{API}/account/sessions", f"{API}/account/sessions/<session_id>",
    "/account/tokens", "/account/tokens/<int(max=9223372036854775807):token_id>/revoke",
    f"{API}/account/tokens", f"{API}/account/tokens/<token_id>",
    "/sign-in/code", "/sign-in/single-sign-on", "/sign-in/single-sign-on/callback",
    "/sign-in/single-sign-on/again",
    "/account/second-factor", "/account/second-factor/remove", "/account/second-factor/recovery-codes",
    "/sign-in/code/options", "/account/second-factor/passkey", "/account/second-factor/passkey/options",
    "/account/passkeys/options", "/account/passkeys/verify",
    "/account/passkeys/<int(max=9223372036854775807):passkey_id>",
    "/account/passkeys/<int(max=9223372036854775807):passkey_id>/name",
    "/account/passkeys/<int(max=9223372036854775807):passkey_id>/remove",
}  # fmt: skip
# Job 1 is previewed, job 2 settled its claim, job 3 reverses it, job 4 belongs to run 1 of schedule 1, job 5 is
# confirmed, and job 6 awaits approval.
RIGHTS = {
    Action.SEE_CLAIMS: """
        GET /claims   POST /claims   GET /feed/totals   GET /feed/counts   GET /feed/export.csv   POST /feed/selection
        POST /feed/columns   GET /feed/views/1   POST /feed/views
        POST /feed/views/1   POST /feed/views/1/name   POST /feed/views/1/sharing   POST /feed/views/1/default
        POST /feed/views/1/delete   GET /claims/C00001
        GET /jobs   GET /jobs/1   GET /jobs/3   GET /jobs/5   GET /jobs/6   GET /jobs/1/confirm   GET /jobs/1/preview
        GET /approvals   GET /jobs/2/files/settled.csv   GET /jobs/2/certificate   GET /jobs/2/certificate.json
        GET /credits   GET /credits/credits.csv   GET /aging   GET /aging/aging.csv
        GET /late-payments   GET /exclusions   GET /months
        GET /months/2026-11   GET /months/2026-11/postings
        GET /settings   GET /schedules   GET /schedules/1   GET /schedules/1/tonight
        GET /schedule-runs   GET /schedule-runs/1   GET /reasons   GET /write-offs   GET /search   POST /search
        GET /write-offs/files/1/write-offs.csv   GET /write-offs/download   GET /reports/write-offs
        GET /reports/write-offs/write-offs.csv   GET /reports/write-offs/claims
        GET /notices   GET /notices/unread   POST /notices/1/open   POST /notices/1/read   POST /notices/read
        POST /notices/mail   GET /remittances   GET /remittances/held   GET /remittances/1   GET /remittances/1/claims/1
        GET /posting-rules
    """,
    Action.SEND_WRITE_OFFS: """
        POST /write-offs/files   GET /write-offs/layouts/new   GET /write-offs/layouts/1   POST /write-offs/layouts
        POST /write-offs/layouts/1/delete
    """,
    Action.PREVIEW_JOB: """
        POST /jobs   POST /jobs/1/name   POST /jobs/1/again   POST /jobs/1/date   POST /jobs/1/discard
        GET /feed/claim-numbers   POST /feed/claim-numbers   POST /feed/claim-numbers/not-found.csv
    """,
    Action.CONFIRM_JOB: "POST /jobs/1/confirm",
    Action.CONTROL_JOB: """
        POST /jobs/1/pause   POST /jobs/1/resume   POST /jobs/1/cancel   POST /jobs/1/retry-failed
        POST /jobs/1/try-again
    """,
    Action.APPROVE_JOB: """
        POST /jobs/1/approve   POST /jobs/1/reject   POST /posting-requests/1/approve   POST /posting-requests/1/reject
    """,
    Action.REVERSE_JOB: """
        GET /jobs/2/reverse   POST /jobs/2/reverse   POST /jobs/3/confirm   POST /jobs/3/discard   POST /jobs/3/date
        POST /jobs/3/pause   POST /jobs/3/resume   POST /jobs/3/cancel   POST /jobs/3/retry-failed
    """,
    Action.POST: """
        POST /claims/C00001/postings   GET /claims/C00001/postings/11/void   POST /claims/C00001/postings/11/void
        GET /claims/C00001/credits/1/patient   POST /claims/C00001/credits/1/patient
        POST /remittances/retry
        POST /remittances/1/claims/1/match   POST /remittances/1/claims/1/post   POST /remittances/1/claims/1/ignore
        POST /remittances/1/claims/1/hold   POST /remittances/1/post   POST /posting-requests/1/withdraw
    """,
    Action.HOLD: "POST /claims/C00001/hold",
    Action.IMPORT: """
        GET /imports   POST /imports   POST /imports/begin   GET /imports/1   GET /imports/1/errors.csv
        POST /imports/1/pieces   POST /imports/1/check   POST /imports/1/expected-total   POST /imports/1/confirm
        POST /imports/1/discard   GET /imports/2/mapping   POST /imports/2/mapping   GET /imports/1/differences.csv
        GET /imports/1/corrections.csv   GET /imports/1/new-postings.csv
        GET /import-mappings   GET /import-mappings/1   POST /import-mappings   POST /import-mappings/guess
        POST /import-mappings/1/delete   GET /import-mappings/1/change   POST /import-mappings/columns
    """,
    Action.EXCLUDE: "POST /exclusions   POST /exclusions/1/end",
    Action.CLOSE_MONTH: "POST /months/2026-11/close   POST /months/2026-10/reopen",
    Action.MANAGE_USERS: """
        GET /users   POST /users   GET /users/1   POST /users/1/role   POST /users/1/limits
        POST /users/1/deactivate   POST /users/1/reactivate   POST /users/1/password-link
        POST /users/1/sessions/end   POST /users/1/vouch   POST /users/1/second-factor/reset
        POST /users/1/identity/unlink
    """,
    Action.CHANGE_SETTING: """
        POST /settings/write-off   POST /settings/write-off/provider   POST /settings/time-zone
        POST /settings/failure-budget   POST /settings/write-off-limits   POST /settings/recent-payment
        POST /settings/small-balance   POST /settings/collection-rules   POST /settings/one-person
        POST /settings/second-factor   GET /settings/single-sign-on   POST /settings/single-sign-on
        POST /settings/single-sign-on/test
        POST /reasons   GET /reasons/charity   POST /reasons/charity   POST /reasons/charity/retire
        POST /reasons/charity/restore   POST /posting-rules
    """,
    Action.MANAGE_SCHEDULES: """
        GET /schedules/new   POST /schedules   GET /schedules/1/change   POST /schedules/1/change
        POST /schedules/1/pause   POST /schedules/1/resume   POST /schedules/1/settle   POST /schedules/1/report-only
        POST /schedules/1/delete   POST /schedules/1/run-now
    """,
    Action.MANAGE_WEBHOOKS: """
        GET /webhooks   POST /webhooks   GET /webhooks/1   POST /webhooks/1   POST /webhooks/1/secret
        GET /webhooks/1/secret   POST /webhooks/1/test   POST /webhooks/1/delete   POST /webhooks/1/deliveries/1/again
    """,
    Action.SEE_AUDIT: "GET /audit   GET /audit/9/changes   GET /audit/audit.csv   GET /audit/package.zip",
    Action.SEE_REVIEW: "GET /review",
    Action.SEE_OPERATIONS: "GET /operations",
}
API_RIGHTS = {
    Action.SEE_CLAIMS: """
        GET /claims   POST /claims/search   POST /claims/totals   POST /search
         GET /claims/C00001   GET /claims/C00001/postings   GET /settle-jobs
        GET /settle-jobs/1   GET /settle-jobs/1/progress   GET /settle-jobs/1/retry-failed   GET /settle-jobs/1/items
        GET /settle-jobs/2/settled.csv   GET /settle-jobs/2/certificate   GET /approvals   GET /periods
        GET /periods/2026-11   GET /periods/2026-11/stops   GET /credits   GET /credits.csv   GET /credits.xlsx
        GET /views   POST /views   GET /views/1   PUT /views/1   DELETE /views/1
        PUT /views/1/default   DELETE /views/1/default   GET /aging   GET /aging.csv   GET /aging.xlsx   GET /holds
        GET /reports/write-offs   GET /reports/write-offs.csv   GET /reports/write-offs.xlsx
        GET /reports/write-offs/claims
        GET /practice
        GET /recoveries   GET /exclusions   GET /limits   GET /rule-limits
        GET /schedules   GET /schedules/1   GET /schedules/1/tonight
        GET /schedule-runs   GET /schedule-runs/1   GET /write-off-reasons   GET /postings   GET /postings.csv
        GET /posting-files   GET /posting-files/1   GET /posting-files/1/write-offs.csv   GET /posting-layouts
        GET /notices   POST /notices/read   GET /second-factor
        GET /remittances   GET /remittances/1   GET /remittance-claims   GET /posting-rules
        GET /remittances/1/claims/1
    """,
    Action.SEND_WRITE_OFFS: "POST /posting-files   POST /posting-layouts   DELETE /posting-layouts/1",
    Action.PREVIEW_JOB: "POST /settle-jobs   PUT /settle-jobs/1/name   POST /settle-jobs/1/discard",
    Action.CONFIRM_JOB: "POST /settle-jobs/1/confirm",
    Action.CONTROL_JOB: """
        POST /settle-jobs/1/pause   POST /settle-jobs/1/resume   POST /settle-jobs/1/cancel
        POST /settle-jobs/1/retry-failed
    """,
    Action.APPROVE_JOB: """
        POST /settle-jobs/1/approve   POST /settle-jobs/1/reject   POST /posting-requests/1/approve
        POST /posting-requests/1/reject
    """,
    Action.REVERSE_JOB: """
        POST /settle-jobs/2/reverse   POST /settle-jobs/3/confirm   POST /settle-jobs/3/discard
        POST /settle-jobs/3/pause   POST /settle-jobs/3/resume   POST /settle-jobs/3/cancel
        POST /settle-jobs/3/retry-failed
    """,
    Action.POST: """
        POST /claims/C00001/postings   POST /claims/C00001/postings/11/void   POST /claims/C00001/refunds
        POST /claims/C00001/credit-transfers   POST /remittances/1/claims/1/match   POST /remittances/retry
        POST /remittances/1/claims/1/post   POST /remittances/1/claims/1/ignore   POST /remittances/1/claims/1/hold
        POST /remittances/1/post   POST /posting-requests/1/withdraw
    """,
    Action.HOLD: "PUT /claims/C00001/hold",
    Action.IMPORT: """
        GET /imports   POST /imports   GET /imports/1   PUT /imports/1/files/0/pieces/0   POST /imports/1/check
        GET /imports/1/faults.csv   PUT /imports/1/expected-total   POST /imports/1/confirm   POST /imports/1/discard
        PUT /imports/1/mapping   GET /imports/1/differences.csv   GET /imports/1/corrections.csv
        GET /imports/1/new-postings.csv
        GET /mappings   GET /mappings/1   POST /mappings   POST /mappings/guess   DELETE /mappings/1
    """,
    Action.EXCLUDE: "POST /exclusions   POST /exclusions/1/end",
    Action.CLOSE_MONTH: "POST /periods/2026-11/close   POST /periods/2026-10/reopen",
    Action.MANAGE_USERS: """
        GET /users   POST /users   GET /users/1   PUT /users/1/role   PUT /users/1/limits   PATCH /users/1/limits
        POST /users/1/deactivate   POST /users/1/reactivate   POST /users/1/password-link
        DELETE /users/1/sessions   POST /users/1/vouch   DELETE /users/1/second-factor
        DELETE /users/1/identity
    """,
    Action.CHANGE_SETTING: """
        PATCH /second-factor   GET /single-sign-on   PUT /single-sign-on   POST /single-sign-on/test
        PUT /limits   PATCH /limits   PUT /limits/one-person   PATCH /rule-limits   PUT /practice/time-zone
        POST /write-off-reasons   PUT /write-off-reasons/charity
        POST /write-off-reasons/charity/retire   POST /write-off-reasons/charity/restore
        PUT /posting-rules/CO/A2
    """,
    Action.MANAGE_SCHEDULES: """
        POST /schedules   PUT /schedules/1   DELETE /schedules/1   POST /schedules/1/pause   POST /schedules/1/resume
        POST /schedules/1/settle   POST /schedules/1/report-only   POST /schedules/1/run-now
    """,
    Action.MANAGE_WEBHOOKS: """
        GET /webhooks   POST /webhooks   GET /webhooks/1   PUT /webhooks/1   POST /webhooks/1/secret
        POST /webhooks/1/test   GET /webhooks/1/deliveries   POST /webhooks/1/deliveries/1/again   DELETE /webhooks/1
    """,
    Action.SEE_AUDIT: "GET /audit   GET /audit/9/changes   GET /audit.csv   GET /audit-package.zip",
    Action.SEE_REVIEW: "GET /review",
    Action.SEE_OPERATIONS: "GET /operations",
}
ACTION_OF = {
    (method, f"{start}{path}"): action
    for start, rights in (("", RIGHTS), (API, API_RIGHTS))
    for action, lines in rights.items()
    for method, path in re.findall(r"(GET|POST|PUT|PATCH|DELETE) (\S+)", lines)
}
PAGES = [(method, path) for method, path in ACTION_OF if not path.startswith(API)]
# The bodies that the API reads before it knows what is asked of which job, user or schedule.
BODIES = {
    r"/claims/(search|totals)$": {},
    r"/views(/1)?$": {"name": "Small balances"},
    r"/imports/1/confirm$": {},
    r"/imports/1/mapping$": {"mapping": "Our export"},
    r"/expected-total$": {"expected_total_cents": 1},
    r"/(confirm|approve)$": {"confirmation": "CONFIRM"},
    r"/re(ject|open)$": {"reason": "Why"},
    r"/reverse$": {"claim_ids": None, "note": "Wrong list"},
    r"/hold$": {"hold": "hold"},
    r"/postings$": {"kind": "payment", "line": 1, "responsibility": "patient", "paid_by": "patient", "amount_cents": 1},
    r"/void$": {"note": "Why"},
    r"/refunds$": {"line": 1, "responsibility": "patient", "paid_to": "patient", "amount_cents": 1, "note": "Why"},
    r"/credit-transfers$": {
        "line": 1, "responsibility": "patient", "amount_cents": 1, "note": "Why",
        "to": {"claim_id": None, "line": 1, "responsibility": "insurance"},
    },
    r"/settle-jobs/1/name$": {"name": "Year-end"},
    r"/role$": {"role": "biller"},
    r"/rule-limits$": {"small_balance_max_cents": 1_000},
    r"/limits$": {"claim_cents": 1, "job_cents": 1},
    r"/one-person$": {"chosen": False},
    r"/second-factor$": {"required": True},
    r"/single-sign-on$": {"active": False, "issuer": "", "client_id": "", "domains": []},
    r"/settle$": {"confirmation": "CONFIRM", "version": 1},
    r"/report-only$": {"version": 1},
    r"/write-off-reasons$": {"name": "Hardship", "kind": "charity"},
    r"/search$": {"text": "an"},
    r"/webhooks(/1)?$": {"url": "https://pm.example/hook", "events": ["job.completed"]},
    r"/notices/read$": {"through": None},
    r"/claims/1/match$": {"claim": "C00001"},
    r"/remittances/1/post$": {"accepts": []},
    r"/claims/1/post$": {"shown": "What was shown"},
    r"/claims/1/ignore$": {"why": "Why"},
    r"/posting-rules/CO/A2$": {"action": "post"},
    r"/posting-layouts$": {"name": "Ours", "layout": {"columns": [{"column": "line"}]}},
    r"/schedules/1$": {
        "name": "Small balances", "filter": {"total_due_max_cents": 5_000}, "local_time": "02:30", "weekdays": ["mon"],
        "reason": "small_balance", "claims_max": 1, "cents_max": 1, "version": 1,
    },
}  # fmt: skip
TIMES = {"user_session", "api_token"}
NAVIGATION = {
    "/claims", "/jobs", "/approvals", "/schedules", "/schedule-runs", "/credits", "/aging", "/late-payments",
    "/exclusions", "/imports", "/import-mappings", "/months", "/settings", "/reasons", "/write-offs", "/users",
    "/audit", "/review", "/operations", "/reports/write-offs", "/webhooks", "/remittances", "/posting-rules",
    "/settings/single-sign-on",
}  # fmt: skip
# The fields of all forms, each with a value that its form accepts.
FIELDS = {
    "claim_id": "C00001", "target_status": "Settled", "reason": "small_balance", "note": "Why", "code": "",
    "confirmation": "CONFIRM", "idempotency_key": "a key of this test", "posting_date": "2026-11-23", "version": "1",
    "run_key": "1", "name": "Small balances", "local_time": "2:30 AM", "weekdays": "mon", "late_minutes": "240",
    "total_due_max": "50", "claims_max": "1", "cents_max": "1", "kind": "payment", "line": "1", "paid_by": "patient",
    "responsibility": "patient", "amount": "1.00", "hold": "hold", "why": "Why", "number": "1", "role": "biller",
    "claim_limit_cents": "1", "job_limit_cents": "1", "large_confirm_cents": "1", "setting": "both",
    "provider_id": "1", "query": "",
    "time_zone": "America/Chicago", "to": "refund.patient", "posted_on": "", "text": "C0000",
    "url": "https://pm.example/hook", "events": "job.completed",
    "issuer": "https://login.example.org", "client_id": "settle", "client_secret": "", "domains": "lakeside.example",
    "groups_claim": "groups", "group": "Billing", "next": "",
    "group_code": "CO", "reason_code": "97", "action": "post",
}  # fmt: skip

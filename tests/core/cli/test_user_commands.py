"""Each command of a signed-in user calls its route of the API, prints the answer, and prints the server's refusal."""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask, request, request_started

from core.access.permissions import Scope
from core.access.tokens import add_token
from core.access.users import actor_for, find_by_email
from core.cli import LOCAL, ON_THE_SERVER, main
from core.db.engine import Sessions, make_engine, make_sessions
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.exports import sent_files
from core.intake.csv.csv_template import write_template
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.saved_mappings import save_mapping
from core.intake.remittances.commands import AnswerKey
from core.intake.uploads import receive, run
from core.jobs.execution import sweep
from core.notices import webhooks
from core.settings import load_settings
from tests import shared_app
from tests.core.cli.conftest import APP, Typed
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.own_export import MAPPING, csv_file, rows_of
from tests.remittances import clp, look, st, svc, take_transactions
from tests.waiting import eventually

BILLER, APPROVER, ADMIN = "biller@lakeside.example", "approver@lakeside.example", "admin@lakeside.example"
OPS = "ops@lakeside.example"
REFUSED = "Your role (operations) does not allow this."
SCHEDULE = ("schedule", "add", "--name", "Small", "--filter", "total_due_max_cents=100000", "--at", "02:30",
            "--reason", "small_balance", "--claims-max", "500", "--amount-max", "5,000.00")  # fmt: skip
SETTLES = ("schedule", "settle", "1", "--confirmation", "CONFIRM")
REQUESTED = "Posting request 1: payment of $2.00 to claim C00001, line 1, entered by biller, "
DAILY = "Every day at 2:30 AM (America/New York), this schedule "

Given = Callable[[GivenPractice, Typed], object]


@dataclass(frozen=True)
class Case:
    """What a user types, who they are, which route answers, what the command prints, and what was there before."""

    words: tuple[str, ...]
    by: str
    route: str
    shown: str
    given: Given

    def __str__(self) -> str:
        return " ".join(self.words[:2])


WHEN_LIMITS_APPLY = "Existing previews keep their old limits. A raised limit applies after 24 hours."


def nothing(_practice: GivenPractice, _typed: Typed) -> None:
    """Leave the two claims as they are."""


def typed_before(*before: tuple[str, ...]) -> Given:
    """Return what an administrator has typed before."""
    return lambda _practice, typed: [typed(*words, by=ADMIN) for words in before]


def previewed(practice: GivenPractice, _typed: Typed) -> None:
    practice.preview()


def named(practice: GivenPractice, _typed: Typed) -> None:
    practice.preview(name="Year-end")


def confirmed(practice: GivenPractice, _typed: Typed) -> None:
    practice.confirm(practice.preview())


def paused(practice: GivenPractice, typed: Typed) -> None:
    confirmed(practice, typed)
    typed("pause", "1", by=ADMIN)
    sweep.sweep(practice.sessions, now=NOW)


def settled(practice: GivenPractice, _typed: Typed) -> None:
    practice.settle()


def sent(practice: GivenPractice, _typed: Typed) -> None:
    practice.settle()
    practice.act(sent_files.send, "Standard", key="sent")


def waiting(practice: GivenPractice, _typed: Typed) -> None:
    practice.limit(job=1_000)
    practice.confirm(practice.preview())


def answered(practice: GivenPractice, _typed: Typed) -> None:
    """Import a remittance whose claim number is a placeholder."""
    line = svc("15", "15")
    after = ["PLB*1234567893*20261231*L6:INT*-5"]
    take_transactions(practice, st(clp("0", "15", "15", line), paid="20", after=after))


def matched(practice: GivenPractice, typed: Typed) -> str:
    """Add a claim that the insurance owes, and match the answer to it. Return what the answer shows at its end."""
    answered(practice, typed)
    practice.claim("C1", Line(15_00))
    typed("remittances", "match", "1", "1", "C1", by=ADMIN)
    return look(practice, AnswerKey(1, 1)).token


def ignored(practice: GivenPractice, typed: Typed) -> None:
    answered(practice, typed)
    typed("remittances", "ignore", "1", "1", "--why", "Wrong click", by=ADMIN)


def paid_late(practice: GivenPractice, _typed: Typed) -> None:
    practice.settle()
    practice.pay("C00001", 2_00)


def over_claim_limit(practice: GivenPractice, _typed: Typed) -> None:
    practice.limit(claim=1_00)
    practice.post("C00001", 2_00)


def mistyped(practice: GivenPractice, _typed: Typed) -> None:
    practice.post("C00001", 2_00)


def in_credit(practice: GivenPractice, _typed: Typed) -> None:
    practice.claim("C1", Line(-10_00, 5_00), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))


def template_and_worker(practice: GivenPractice, _typed: Typed) -> None:
    """Write the template to this folder, and let a worker do one step of an import as soon as there is one."""
    write_template(Path())
    threading.Thread(target=one_step, args=(practice,)).start()


def one_step(practice: GivenPractice) -> None:
    eventually(lambda: work_on_import(practice), seconds=30)


def work_on_import(practice: GivenPractice) -> bool:
    more = make_sessions(make_engine(practice.sessions.kw["bind"].url.render_as_string(hide_password=False)))
    try:
        return run.work(practice.sessions, progress_sessions=more, bytes_max=1_000_000, clock=lambda: NOW)
    finally:
        more.kw["bind"].dispose()


def uploaded(practice: GivenPractice, _typed: Typed) -> None:
    write_template(Path())
    streams = [(path.name, io.BytesIO(path.read_bytes())) for path in Path().glob("*.csv")]
    practice.act(receive.receive_at_once, streams, bytes_max=1_000_000, idempotency_key="key")


def checked(practice: GivenPractice, typed: Typed) -> None:
    uploaded(practice, typed)
    assert work_on_import(practice)


def checked_and_worker(practice: GivenPractice, typed: Typed) -> None:
    checked(practice, typed)
    threading.Thread(target=one_step, args=(practice,)).start()


def case(*words: str, by: str = ADMIN, route: str, shown: str, given: Given = nothing) -> Case:
    return Case(words, by, route, shown, given)


def saved_mapping(practice: GivenPractice) -> None:
    practice.act(save_mapping, practice.id, name="ours", mapping=Mapping.of(MAPPING))


def own_export_and_worker(practice: GivenPractice, _typed: Typed) -> None:
    """Write the office's own export to this folder, save its mapping, and let a worker do one step."""
    Path("ar.csv").write_bytes(csv_file(rows_of(6)))
    saved_mapping(practice)
    threading.Thread(target=one_step, args=(practice,)).start()


def hooked(practice: GivenPractice, _typed: Typed) -> None:
    admin = practice.do(find_by_email, ADMIN)
    given = {"url": "https://pm.example/", "kinds": ["job.completed"], "reach": "public", "by": actor_for(admin)}
    practice.act(webhooks.add, **given)


def tested(practice: GivenPractice, typed: Typed) -> None:
    hooked(practice, typed)
    practice.act(webhooks.send_test, 1, by=actor_for(practice.do(find_by_email, ADMIN)))


def own_checked(practice: GivenPractice, _typed: Typed) -> None:
    streams = [("ar.csv", io.BytesIO(csv_file(rows_of(6))))]
    practice.act(receive.receive_at_once, streams, bytes_max=1_000_000, idempotency_key="key")
    assert work_on_import(practice)


def own_checked_and_worker(practice: GivenPractice, typed: Typed) -> None:
    own_checked(practice, typed)
    saved_mapping(practice)
    threading.Thread(target=one_step, args=(practice,)).start()


CASES = (
    case("import", "upload", ".", "--expect-total", "1.00", by=BILLER, route="POST /imports",
         given=template_and_worker, shown="Import 1 is ready to import.\nNew: 2 claims, 3 lines, 7 postings, "),
    case("import", "upload", ".", "--mapping", "ours", by=BILLER, route="POST /imports", given=own_export_and_worker,
         shown="Import 1 is ready to import.\nWarning: No claim status is imported."),
    case("import", "show", "1", by=BILLER, route="GET /imports/<import_id>", given=uploaded,
         shown="Import 1 is waiting for a worker."),
    case("import", "show", "1", by=BILLER, route="GET /imports/<import_id>", given=own_checked,
         shown="Import 1 is waiting for its mapping.\nThe file contains these columns:\n  Claim #: Claim ID\n"),
    case("import", "map", "1", "ours", by=BILLER, route="PUT /imports/<import_id>/mapping",
         given=own_checked_and_worker, shown="Import 1 is ready to import.\nWarning: No claim status is imported."),
    case("import", "list", "1", "differences", by=BILLER, route="GET /imports/<import_id>/differences.csv",
         given=checked, shown="record,number,field,old,new,file,line"),
    case("import", "list", "1", "new-postings", by=BILLER, route="GET /imports/<import_id>/new-postings.csv",
         given=checked, shown="claim_id,service_date,line,responsibility,kind,amount,"),
    case("import", "confirm", "1", by=BILLER, route="POST /imports/<import_id>/confirm", given=checked_and_worker,
         shown="Import 1 is imported.\nNew: 2 claims, 3 lines, 7 postings, 2 patients, "),
    case("import", "discard", "1", by=BILLER, route="POST /imports/<import_id>/discard", given=checked,
         shown="Import 1 is discarded."),
    case("preview", "--all", "--reason", "small_balance", by=BILLER, route="POST /settle-jobs",
         shown="Job 1: 2 claims; 2 will move to Settled, posting 4 write-offs totaling $30.00 (insurance $20.00, "),
    case("show", "1", by=APPROVER, route="GET /settle-jobs/<job_id>", given=previewed, shown="Job 1: 2 claims; 2"),
    case("confirm", "1", "--confirmation", "CONFIRM", by=BILLER, route="POST /settle-jobs/<job_id>/confirm",
         given=previewed, shown="Job 1 is confirmed.\n"),
    case("jobs", "--person", BILLER, "--kind", "settle", "--amount-min", "30", "--name", "year", by=APPROVER,
         route="GET /settle-jobs", given=named,
         shown="change to Settled, 2 claims, awaiting CONFIRM, Small balance, requested by biller  Year-end\n"),
    case("rename", "1", "Year-end", by=BILLER, route="PUT /settle-jobs/<job_id>/name", given=previewed,
         shown="Job 1 is now named Year-end.\n"),
    case("discard", "1", by=BILLER, route="POST /settle-jobs/<job_id>/discard", given=previewed,
         shown="Job 1 is discarded.\n"),
    case("pause", "1", by=BILLER, route="POST /settle-jobs/<job_id>/pause", given=confirmed, shown="Job 1 is paus"),
    case("resume", "1", by=BILLER, route="POST /settle-jobs/<job_id>/resume", shown="Job 1 is confirmed.\n",
         given=paused),
    case("cancel", "1", by=BILLER, route="POST /settle-jobs/<job_id>/cancel", given=confirmed, shown="Job 1 is cancel"),
    case("retry-failed", "1", "--code", "claim_locked", by=BILLER, route="POST /settle-jobs/<job_id>/retry-failed",
         given=settled, shown="Job 1 is completed.\n"),
    case("watch", "1", by=BILLER, route="GET /settle-jobs/<job_id>/progress", given=settled,
         shown="Job 1: Completed: 2 claims settled, 0 skipped, 0 failed; $30.00 written off.\n"),
    case("reverse", "1", "--note", "Wrong list", by=APPROVER, route="POST /settle-jobs/<job_id>/reverse", given=settled,
         shown="Job 2 reverses job 1: 2 claims; 2 will return to an earlier status, reversing 4 write-offs totaling "),
    case("download", "1", "settled", by=BILLER, route="GET /settle-jobs/<job_id>/<file>.<form>", given=settled,
         shown="Wrote job-1-settled.csv.\n"),
    case("certificate", "1", by=BILLER, route="GET /settle-jobs/<job_id>/certificate", given=settled,
         shown="Job 1 (change to Settled) is completed. 2 claims: 2 settled, 0 skipped, 0 failed, 0 not processed.\n"),
    case("approvals", by=APPROVER, route="GET /approvals", given=waiting,
         shown="Needs your approval: 1\n  Job 1: $30.00, requested by biller, expires 11/30/2026 10:00:00 AM EST\n"
               "    Over the practice's per-job limit: $30.00 (limit $10.00, over by $20.00)\n"),
    case("approve", "1", "--confirmation", "CONFIRM", by=APPROVER, route="POST /settle-jobs/<job_id>/approve",
         given=waiting, shown="Job 1 is confirmed.\n"),
    case("reject", "1", "--reason", "Wrong list", by=APPROVER, route="POST /settle-jobs/<job_id>/reject",
         given=waiting, shown="Job 1 is rejected.\n"),
    case("hold", "C00001", "legal_hold", "--why", "Letter", "--until", "2199-12-31", by=BILLER,
         route="PUT /claims/<anything:claim_id>/hold", shown="Claim C00001 is on hold (legal_hold) through 12/31/2199"),
    case("release", "C00001", by=BILLER, route="PUT /claims/<anything:claim_id>/hold",
         given=typed_before(("hold", "C00001", "hold")), shown="Claim C00001 is not on hold.\n"),
    case("holds", "--hold", "legal_hold", by=BILLER, route="GET /holds",
         given=typed_before(("hold", "C00001", "hold"), ("hold", "C00002", "legal_hold", "--why", "Letter")),
         shown="C00002  legal_hold  until released, by admin: Letter\n"),
    case("post", "C00001", "payment", "2.00", "--responsibility", "patient", "--paid-by", "patient", by=BILLER,
         route="POST /claims/<anything:claim_id>/postings", given=settled,
         shown="insurance $0.00, patient $0.00.\nThe posting reversed $2.00 in earlier write-offs.\n"),
    case("posting-request", "approve", "1", by=APPROVER, route="POST /posting-requests/<request_id>/approve",
         given=over_claim_limit, shown=f"{REQUESTED}approved and posted by approver\n"),
    case("posting-request", "reject", "1", "--reason", "Twice", by=APPROVER, given=over_claim_limit,
         route="POST /posting-requests/<request_id>/reject",
         shown=f"{REQUESTED}rejected by approver: Twice\n"),
    case("posting-request", "withdraw", "1", by=BILLER, route="POST /posting-requests/<request_id>/withdraw",
         given=over_claim_limit, shown=f"{REQUESTED}withdrawn by biller\n"),
    case("write-offs", "send", by=BILLER, route="POST /posting-files", given=settled,
         shown="1  11/23/2026 10:00:00 AM EST by biller, Standard: 4 write-offs $30.00, 0 reversals $0.00\n"),
    case("write-offs", "files", by=APPROVER, route="GET /posting-files", given=sent,
         shown="1  11/23/2026 10:00:00 AM EST by biller, Standard: 4 write-offs $30.00, 0 reversals $0.00\n"),
    case("write-offs", "file", "1", by=APPROVER, route="GET /posting-files/<file_id>/write-offs.<form>", given=sent,
         shown="Wrote write-offs-file-1.csv.\n"),
    case("write-offs", "download", "--new", by=APPROVER, route="GET /postings.<form>", given=settled,
         shown="Wrote write-offs.csv.\n"),
    case("write-offs", "layouts", by=APPROVER, route="GET /posting-layouts", shown="Standard: claim_id, patient_id, "),
    case("write-offs", "save-layout", "Ours", "--column", "line", by=BILLER, route="POST /posting-layouts",
         shown="Ours: line (MM/DD/YYYY, write-offs negative)\n"),
    case("write-offs", "delete-layout", "Ours", by=BILLER, route="DELETE /posting-layouts/<layout_id>",
         given=typed_before(("write-offs", "save-layout", "Ours", "--column", "line")),
         shown="Layout Ours is deleted.\n"),
    case("reason", "list", by=APPROVER, route="GET /write-off-reasons", shown="bad_debt  Bad debt (bad debt)\n"),
    case("reason", "add", "Hardship", "--kind", "charity", route="POST /write-off-reasons",
         shown="hardship  Hardship (charity)\n"),
    case("reason", "change", "charity", "--name", "Hardship", route="PUT /write-off-reasons/<code>",
         shown="charity  Hardship (charity)\n"),
    case("reason", "retire", "charity", route="POST /write-off-reasons/<code>/retire",
         shown="charity  Charity (charity), retired\n"),
    case("reason", "restore", "charity", route="POST /write-off-reasons/<code>/restore",
         shown="charity  Charity (charity)\n"),
    case("exclude", "payer", "1", "--why", "Contract", route="POST /exclusions",
         shown="Payer 1 is excluded (exclusion 1).\n"),
    case("exclusions", by=BILLER, route="GET /exclusions", given=typed_before(("exclude", "payer", "1", "--why", "x")),
         shown="1  payer 1  until ended, by admin: x\n"),
    case("end-exclusion", "1", route="POST /exclusions/<exclusion_id>/end",
         given=typed_before(("exclude", "payer", "1", "--why", "x")),
         shown="Payer 1 is no longer excluded (exclusion 1).\n"),
    case("month", "list", by=BILLER, route="GET /periods", shown="2026-11  open             0 postings\n"),
    case("month", "show", "2026-11", by=BILLER, route="GET /periods/<month>", given=previewed,
         shown="2026-11  open             0 postings\n"
               "  If you close it: Job 1 is waiting for CONFIRM and needs a new posting date.\n"
               "  If you close it: 6 earlier months stay open: 2026-05 to 2026-10.\n"),
    case("month", "close", "2026-05", route="POST /periods/<month>/close",
         shown="2026-05  closed           4 postings, checksum "),
    case("month", "reopen", "2026-05", "--reason", "A late file", route="POST /periods/<month>/reopen",
         given=typed_before(("month", "close", "2026-05")),
         shown="2026-05  open             4 postings, reopened: A late file\n"),
    case("limit", "claim", "25.50", route="PATCH /limits",
         shown=f"Limits for Lakeside: claim $25.50, job unlimited. {WHEN_LIMITS_APPLY}\n"),
    case("limits", by=BILLER, route="GET /limits",
         shown=f"{'Lakeside':<40} claim unlimited, job unlimited\n{BILLER:<40} claim unlimited, job unlimited\n"),
    case("one-person", "off", route="PUT /limits/one-person",
         shown="Jobs over a limit in Lakeside need approval by another user.\n"),
    case("review", "--week", "2026-11-11", route="GET /review",
         shown="Weekly review of 11/09/2026 to 11/15/2026: no findings.\n"),
    case("rule-limit", "small-balance", "$9.99", route="PATCH /rule-limits",
         shown="small-balance        $9.99\nrecent-payment-days  off\nappeal-window-days   180\n"),
    case("rule-limits", by=BILLER, route="GET /rule-limits", given=typed_before(("rule-limit", "small-balance", "25")),
         shown="small-balance        $25.00\nrecent-payment-days  off\nappeal-window-days   180\nstatements    "),
    case("user", "list", route="GET /users", shown=f"{ADMIN:<40} admin     claim unlimited, job unlimited\n"),
    case("user", "role", BILLER, "approver", route="PUT /users/<user_id>/role",
         shown=f"{BILLER} now has the role approver.\n"),
    case("user", "limit", BILLER, "job", "1,000", route="PATCH /users/<user_id>/limits",
         shown=f"Limits for {BILLER}: claim unlimited, job $1,000.00. {WHEN_LIMITS_APPLY}\n"),
    case("user", "deactivate", BILLER, route="POST /users/<user_id>/deactivate",
         shown=f"{BILLER} is deactivated. All sessions were ended and all API tokens were revoked.\n"),
    case("user", "password-link", BILLER, route="POST /users/<user_id>/password-link",
         shown="works once, and expires on 11/26/2026 10:00:00 AM EST.\nhttp://127.0.0.1:"),
    case("second-factor", "required", "--confirm-above", "2500", route="PATCH /second-factor",
         shown="Approvers and administrators of Lakeside must have a second factor; 2 have none.\n"
               "On the pages, users verify at CONFIRM if a job writes off more than $2,500.00.\n"),
    case("second-factor", by=BILLER, route="GET /second-factor",
         shown="Approvers and administrators of Lakeside can have a second factor; 2 have none.\n"
               "On the pages, users verify at CONFIRM if a job writes off more than $10,000.00.\n"),
    case("user", "reset-factor", BILLER, route="DELETE /users/<user_id>/second-factor",
         shown=f"{BILLER} has no second factor and is signed out.\n"),
    case("single-sign-on", "show", route="GET /single-sign-on",
         shown="Single sign-on is off, passwords are on.\n"),
    case("user", "unlink", BILLER, route="DELETE /users/<user_id>/identity",
         shown=f"{BILLER} is unlinked and signed out.\n"),
    case("user", "sign-out", BILLER, route="DELETE /users/<user_id>/sessions",
         shown=f"{BILLER} is signed out of all browsers.\n"),
    case("user", "reactivate", BILLER, route="POST /users/<user_id>/reactivate",
         given=typed_before(("user", "deactivate", BILLER)),
         shown=f"{BILLER} can sign in again. Their API tokens stay revoked.\n"),
    case("user", "vouch", BILLER, route="POST /users/<user_id>/vouch",
         shown=f"You vouched for {BILLER}. No user controls this account, and its sessions and tokens ended.\n"),
    case(*SCHEDULE, route="POST /schedules", shown=f"Schedule 1 is active. {DAILY}only reports what it would settle"),
    case("schedule", "list", by=BILLER, route="GET /schedules", given=typed_before(SCHEDULE),
         shown=f"     1  active   report  Small\n        {DAILY}only reports"),
    case("schedule", "show", "1", by=BILLER, route="GET /schedules/<schedule_id>", given=typed_before(SCHEDULE),
         shown="  filter: total_due_max_cents=100000\n"),
    case("schedule", "change", "1", "--at", "03:00", "--confirmation", "CONFIRM", route="PUT /schedules/<schedule_id>",
         given=typed_before(SCHEDULE, SETTLES), shown="Every day at 3:00 AM (America/New York), this schedule "),
    case(*SETTLES, route="POST /schedules/<schedule_id>/settle", given=typed_before(SCHEDULE),
         shown=f"Schedule 1 is active. {DAILY}settles "),
    case("schedule", "report-only", "1", route="POST /schedules/<schedule_id>/report-only",
         given=typed_before(SCHEDULE, SETTLES), shown=f"{DAILY}only reports "),
    case("schedule", "pause", "1", route="POST /schedules/<schedule_id>/pause", given=typed_before(SCHEDULE),
         shown="Schedule 1 is paused. "),
    case("schedule", "resume", "1", route="POST /schedules/<schedule_id>/resume",
         given=typed_before(SCHEDULE, ("schedule", "pause", "1")), shown="Schedule 1 is active. "),
    case("schedule", "delete", "1", route="DELETE /schedules/<schedule_id>", given=typed_before(SCHEDULE),
         shown="Schedule 1 is deleted.\n"),
    case("schedule", "run-now", "1", "--key", "once", route="POST /schedules/<schedule_id>/run-now",
         given=typed_before(SCHEDULE), shown="Run 1: This run would settle 2 claims and skip 0."),
    case("schedule", "tonight", "1", by=BILLER, route="GET /schedules/<schedule_id>/tonight",
         given=typed_before(SCHEDULE), shown="It would settle 2 of 2 claims and write off $30.00.\n"),
    case("schedule", "runs", by=BILLER, route="GET /schedule-runs",
         given=typed_before(SCHEDULE, ("schedule", "run-now", "1")), shown="     1  run now     schedule 1  This run"),
    case("schedule", "report", "1", by=BILLER, route="GET /schedule-runs/<run_id>",
         given=typed_before(SCHEDULE, ("schedule", "run-now", "1")), shown="  Job 1: insurance $20.00, patient $10"),
    case("time-zone", "America/Chicago", route="PUT /practice/time-zone", shown="Time zone set to America/Chicago. "),
    case("remittances", "list", by=APPROVER, route="GET /remittances", given=answered,
         shown="1  01/05/2026  EXAMPLE PLAN, T000001: $20.00, 1 held.\n"),
    case("remittances", "show", "1", by=APPROVER, route="GET /remittances/<remittance_id>", given=answered,
         shown="  Claims $15.00\n  Provider adjustment L6 interest, INT: $5.00\n"),
    case("remittances", "claims", "--outcome", "held", "--remittance", "1", by=BILLER, route="GET /remittance-claims",
         given=answered, shown="1 1  01/05/2026  EXAMPLE PLAN, T000001  0, SAMPLE, PETRA: charge $15.00, payment"),
    case("remittances", "match", "1", "1", "C00001", by=BILLER, given=answered,
         route="POST /remittances/<remittance_id>/claims/<ordinal>/match",
         shown="1 1  0 (claim C00001): charge $15.00, payment $15.00, held: a person matched it to this claim; "),
    case("remittances", "answer", "1", "1", by=APPROVER, route="GET /remittances/<remittance_id>/claims/<ordinal>",
         given=matched, shown="  Line 1  99213: charge $15.00, payment $15.00\nTo post it as shown, type: settle "),
    case("remittances", "post", "1", "1", "--shown", "SHOWN", "--note", "Called", "--date", "2026-11-01", by=BILLER,
         route="POST /remittances/<remittance_id>/claims/<ordinal>/post", given=matched,
         shown="payment $15.00, warned: a person matched it to this claim\n"),
    case("remittances", "ignore", "1", "1", "--why", "Not ours", by=BILLER, given=answered,
         route="POST /remittances/<remittance_id>/claims/<ordinal>/ignore", shown="payment $15.00, ignored: "),
    case("remittances", "post-all", "1", "--accept", "same_trace", by=BILLER, given=answered,
         route="POST /remittances/<remittance_id>/post", shown="Posted: 0. Still held: 1.\n"),
    case("remittances", "hold", "1", "1", by=BILLER, route="POST /remittances/<remittance_id>/claims/<ordinal>/hold",
         given=ignored, shown="payment $15.00, held: the claim number is a placeholder\n"),
    case("remittances", "retry", by=BILLER, route="POST /remittances/retry", given=answered,
         shown="Posted: 0. Held for another reason: 0.\n"),
    case("remittances", "rule", "CO", "97", "post", route="PUT /posting-rules/<group>/<reason>",
         shown="CO-97 bundled into another service: post (default: track)\n"),
    case("remittances", "rules", by=BILLER, route="GET /posting-rules", shown="CO-45 contractual: post\n"),
    case("report", "write-offs", "--by", "person", by=BILLER, route="GET /reports/write-offs", given=settled,
         shown="biller                           $30.00"),
    case("report", "write-off-claims", "written_off", "--person", "user-1", "--payer", "1", by=BILLER, given=settled,
         route="GET /reports/write-offs/claims",
         shown="C00001                           $15.00  "),
    case("aging", by=BILLER, route="GET /aging", shown="Net A/R $"),
    case("credits", by=BILLER, route="GET /credits", given=in_credit,
         shown="C1  line 1  insurance        $10.00  since "),
    case("ledger", "C00001", by=BILLER, route="GET /claims/<anything:claim_id>/postings", given=mistyped,
         shown="5  11/23/2026  line 1  patient          -$2.00  payment, by biller\n"),
    case("void", "C00001", "5", "--note", "Mistyped", by=BILLER, given=mistyped,
         route="POST /claims/<anything:claim_id>/postings/<posting_id>/void",
         shown="Posting voided. The posting and its void both stay in the ledger.\nBalance on claim C00001 now: "),
    case("refund", "C1", "10.00", "--responsibility", "insurance", "--to", "primary", "--note", "Check 7", by=BILLER,
         route="POST /claims/<anything:claim_id>/refunds", given=in_credit,
         shown="Credit left on this line: $0.00.\nBalance on claim C1 now: insurance $0.00, patient $5.00.\n"),
    case("transfer-credit", "C1", "5.00", "--responsibility", "insurance", "--to-responsibility", "patient", "--note",
         "Copay", by=BILLER, route="POST /claims/<anything:claim_id>/credit-transfers", given=in_credit,
         shown="Credit left on this line: $5.00.\n"),
    case("recoveries", by=BILLER, route="GET /recoveries", given=paid_late, shown="write-offs reversed $5.00, re-"),
    case("notices", "--mark-read", by=BILLER, route="POST /notices/read", given=settled,
         shown="unread  Job 1 completed: 2 claims settled, 0 skipped, 0 failed\n"),
    case("webhook", "list", route="GET /webhooks", given=hooked, shown="1  https://pm.example/  on  job.completed\n"),
    case("webhook", "add", "https://pm.example/", "--event", "job.halted", route="POST /webhooks",
         shown="1  https://pm.example/  on  job.halted\nSecret, shown only once: whsec_"),
    case("webhook", "change", "1", "--off", route="PUT /webhooks/<webhook_id>", given=hooked,
         shown="1  https://pm.example/  off  job.completed\n"),
    case("webhook", "new-secret", "1", route="POST /webhooks/<webhook_id>/secret", given=hooked, shown="whsec_"),
    case("webhook", "test", "1", route="POST /webhooks/<webhook_id>/test", given=hooked,
         shown="Test event queued as delivery 1.\n"),
    case("webhook", "deliveries", "1", route="GET /webhooks/<webhook_id>/deliveries", given=tested,
         shown="1  evt_1  webhook.test  due, tries: 0  Test event\n"),
    case("webhook", "send-again", "1", "1", route="POST /webhooks/<webhook_id>/deliveries/<delivery_id>/again",
         given=tested, shown="Delivery 1 is sent again.\n"),
    case("webhook", "delete", "1", route="DELETE /webhooks/<webhook_id>", given=hooked, shown="Webhook deleted.\n"),
    case("audit", "--claim", "C00001", by=APPROVER, route="GET /audit", given=typed_before(("hold", "C00001", "hold")),
         shown="admin: Put claim C00001 on hold (hold: hold)\nThe last entry in the audit log is "),
)  # fmt: skip


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create two claims and a user of each role."""
    given = a_practice(sessions)
    given.claims(2)
    for email, role in ((APPROVER, Role.APPROVER), (ADMIN, Role.ADMIN), (OPS, Role.OPS)):
        given.person(email, role)
    return given


@pytest.fixture
def routes() -> Iterator[list[str]]:
    """Yield the routes of the API that the server has answered."""
    found: list[str] = []

    def add(_app: Flask, **_: Any) -> None:
        assert request.url_rule is not None
        found.append(f"{request.method} {request.url_rule.rule.removeprefix('/api/v1')}")

    with request_started.connected_to(add, shared_app._application(APP)):
        yield found


@pytest.mark.parametrize("typed_case", CASES, ids=str)
def test_a_command_calls_its_route_and_prints_the_answer(
    typed: Typed, practice: GivenPractice, routes: list[str], typed_case: Case
) -> None:
    found = str(typed_case.given(practice, typed))
    routes.clear()

    done = typed(*(found if word == "SHOWN" else word for word in typed_case.words), by=typed_case.by)

    assert done.exit_code == 0, done.output
    assert typed_case.shown in done.stdout
    assert typed_case.route in routes


def test_a_token_that_may_not_read_the_practice_gets_its_times_in_utc(
    typed: Typed, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(practice, typed)
    with practice.sessions.begin() as session:
        biller = find_by_email(session, BILLER)
        assert biller is not None
        monkeypatch.setenv("SETTLE_TOKEN", add_token(session, biller, NOW, scopes=(Scope.POST,)))
    load_settings.cache_clear()

    done = typed("write-offs", "send")

    assert (done.exit_code, done.stdout[:31]) == (0, "1  11/23/2026 3:00:00 PM UTC by")


def test_every_command_prints_the_servers_refusal_in_one_line(typed: Typed, practice: GivenPractice) -> None:
    for one in CASES:  # on one database, because a refused command changes nothing
        refused = typed(*one.words, by=OPS)

        assert (refused.exit_code, refused.stdout) == (1, ""), one
        (line,) = refused.stderr.splitlines()
        assert line.startswith(REFUSED), one


def user_commands(command: click.Command = main, name: str = "") -> Iterator[str]:
    """Yield the names of the commands that act for a signed-in user."""
    for word in command.list_commands(click.Context(command)) if isinstance(command, click.Group) else ():
        found, full = command.get_command(click.Context(command), word), f"{name} {word}".strip()
        assert found is not None
        if full not in {*ON_THE_SERVER, *LOCAL, "login", "logout", "password"}:
            yield from user_commands(found, full) if isinstance(found, click.Group) else (full,)


def test_every_command_of_a_signed_in_user_has_a_case() -> None:
    typed_names = {" ".join(one.words[:count]) for one in CASES for count in (1, 2)}

    assert set(user_commands()) <= typed_names
    assert len(set(user_commands())) > 40

"""A sentence for each act in the audit log. A test compares the table with the acts in the code."""

import re
from collections.abc import Mapping
from typing import Any, Final

from core import calendar_months
from core.access.permissions import ROLE_WORDS
from core.enums.jobs import JobStatus
from core.jobs import codes
from core.money import UNLIMITED, UNLIMITED_WORD, format_cents
from core.schedules import descriptions

# `{it}` is the subject: job 1,042, claim 184146026, a user by name.
ACT_SENTENCES: Final = {
    "appeal_window.changed": "Changed the appeal window",
    "audit.exported": "Exported the audit log",
    "audit.packaged": "Exported the audit package",
    "claim.credit_transferred": "Transferred a credit to or from {it}",
    "claim.held": "Put {it} on hold",
    "claim.posted": "Posted to {it}",
    "claim.posting_approved": "Approved a posting to {it}",
    "claim.posting_asked": "Entered a posting to {it}, which exceeds the per-claim limit and needs approval",
    "claim.posting_rejected": "Rejected a posting to {it}",
    "claim.posting_withdrawn": "Withdrew a posting to {it} before it was approved",
    "claim.refunded": "Refunded a credit on {it}",
    "claim.released": "Released {it} from hold",
    "claim.voided": "Voided a posting on {it}",
    "claim.viewed": "Looked at {it}",
    "claims.exported": "Exported claims from the feed",
    "credits.downloaded": "Downloaded the list of credit balances",
    "digests.started": "Started digests of postings",
    "exclusion.ended": "Ended the exclusion of {it}",
    "exclusion.made": "Excluded {it} from write-offs",
    "failure_budget.changed": "Changed the failure limits",
    "import.changes_taken": "Applied changes from an import",
    "import.confirmed": "Confirmed {it}",
    "import.corrections_downloaded": "Downloaded the corrections from {it}",
    "import.new_postings_downloaded": "Downloaded the new postings of {it}",
    "import.differences_downloaded": "Downloaded the changes from {it}",
    "import.discarded": "Discarded {it}",
    "import.errors_downloaded": "Downloaded the errors from {it}",
    "import.expired": "Discarded {it} because it was not completed or confirmed in time",
    "import.finished": "Completed {it}",
    "import.mapped": "Chose the mapping for {it}",
    "import.refused": "Stopped {it} before anything was imported",
    "import.total_set": "Changed the expected A/R total for {it}",
    "import.uploaded": "Uploaded the files for {it}",
    "job.approval_asked": "Confirmed {it}, which exceeds a limit and needs approval",
    "job.approved": "Approved {it}",
    "job.cancel_asked": "Canceled {it}",
    "job.cancelled": "Ended {it} before all its claims were processed",
    "job.completed": "Completed {it}",
    "job.confirmed": "Confirmed {it}",
    "job.discarded": "Discarded {it} before it ran",
    "job.expired": "Marked {it} as expired because it was not confirmed or approved in time",
    "job.file_downloaded": "Downloaded a file from {it}",
    "job.halted": "Halted {it}",
    "job.pause_asked": "Paused {it}",
    "job.paused": "Stopped work on {it} after a user paused it",
    "job.rejected": "Rejected {it}",
    "job.named": "Named {it}",
    "job.renamed": "Changed the name of {it}",
    "job.requested": "Requested {it}",
    "job.resumed": "Resumed {it}",
    "job.retried": "Retried the failed claims in {it}",
    "layout.deleted": "Deleted {it} for write-off files",
    "layout.saved": "Saved {it} for write-off files",
    "mapping.deleted": "Deleted the import {it}",
    "mapping.saved": "Saved the import {it}",
    "month.closed": "Closed {it}",
    "month.reopened": "Reopened {it}",
    "one_person.chosen": "Chose that one person works here: jobs over a limit will run without approval",
    "one_person.ended": "Ended the choice that one person works here: jobs over a limit need approval",
    "one_person.lapsed": "Ended the choice that one person works here, because another user could approve jobs",
    "posting_rule.changed": "Changed a posting rule for remittances",
    "postings.imported": "Imported postings",
    "practice.folder_unwatched": "Stopped watching the folder",
    "practice.folder_watched": "Chose a watched folder",
    "practice.imported": "Imported claims and postings",
    "practice.other_created": "Created another practice on this server",
    "practice.sampled": "Created sample claims",
    "reason.added": "Added {it}",
    "reason.changed": "Changed {it}",
    "reason.restored": "Put {it} back in use",
    "reason.retired": "Retired {it}",
    "recent_payment_window.changed": "Changed the recent-payment window",
    "second_factor.changed": "Changed when a second factor or verification is needed",
    "small_balance_limit.changed": "Changed the small-balance limit",
    "statement_rules.changed": "Changed the statement rules",
    "remittance.held_again": "Put an ignored claim of {it} back on hold",
    "remittance.ignored": "Ignored a claim of {it}",
    "remittance.matched": "Matched a claim of {it}",
    "remittance.posted": "Posted a held claim of {it}",
    "remittance.posted_together": "Posted the held claims of {it} together",
    "remittance.recorded": "Recorded {it}",
    "remittances.posted_when_due": "Posted held answers after their date or their job",
    "remittances.retried": "Matched held answers to claims imported later",
    "schedule.changed": "Changed {it}",
    "schedule.deleted": "Deleted {it}",
    "schedule.made": "Created {it}",
    "schedule.mail_given_up": "Gave up e-mailing the report for {it}",
    "schedule.mail_sent": "E-mailed the report for {it}",
    "schedule.mode_changed": "Changed the mode of {it}",
    "schedule.night_failed": "A run of {it} failed",
    "schedule.paused": "Paused {it}",
    "schedule.ran": "Ran {it}",
    "schedule.resumed": "Resumed {it}",
    "schedule.stopped": "Stopped {it}",
    "time_zone.changed": "Changed the practice's time zone",
    "token.added": "Created {it} for the API",
    "token.revoked": "Revoked {it}",
    "single_sign_on.changed": "Changed single sign-on",
    "single_sign_on.refused": "A single sign-on was refused",
    "user.added": "Added {it}",
    "user.app_removed": "Removed their own authenticator app",
    "user.deactivated": "Deactivated {it}",
    "user.factor_added": "Set up a second factor",
    "user.factor_failed": "A code for the second factor of {it} was refused",
    "user.factor_removed": "Removed their own second factor",
    "user.factor_replaced": "Replaced their own second factor",
    "user.factor_reset": "Reset the second factor of {it}",
    "user.identity_linked": "Linked {it} to the identity provider at a first sign-in",
    "user.identity_unlinked": "Unlinked {it} from the identity provider",
    "user.limits_changed": "Changed the approval limits for {it}",
    "user.passkey_added": "Added a passkey",
    "user.passkey_refused": "A passkey of {it} was refused",
    "user.passkey_removed": "Removed a passkey",
    "user.passkey_renamed": "Renamed a passkey",
    "user.password_changed": "Changed their own password",
    "user.password_forgotten": "A link to set the password of {it} was requested by e-mail",
    "user.password_link": "Created a link to set the password of {it}",
    "user.password_set": "Set a password through a link",
    "user.reactivated": "Reactivated {it}",
    "user.recovery_code_used": "Used a recovery code",
    "user.recovery_codes_made": "Created new recovery codes",
    "user.refused": "Was refused an action",
    "user.role_changed": "Changed the role of {it}",
    "user.sessions_ended": "Ended browser sessions of {it}",
    "user.sign_in_failed": "A sign-in as {it} failed",
    "user.signed_in": "Signed in",
    "user.signed_out": "Signed out",
    "user.verification_failed": "Entered a wrong password to verify",
    "user.vouched": "Vouched for {it}",
    "view.changed": "Changed the shared {it} of the feed",
    "view.deleted": "Deleted the shared {it} of the feed",
    "view.shared": "Shared {it} of the feed",
    "view.unshared": "Stopped sharing {it} of the feed",
    "webhook.added": "Added {it}",
    "webhook.changed": "Changed {it}",
    "webhook.deleted": "Deleted {it}",
    "webhook.secret_rotated": "Gave {it} a new secret",
    "webhook.sent_again": "Sent an event to {it} again",
    "webhook.tested": "Sent a test event to {it}",
    "write_off_limits.changed": "Changed the practice's approval limits",
    "write_offs.downloaded": "Downloaded write-offs",
    "write_offs.drawn_again": "Downloaded write-off {it} again",
    "write_offs.file_downloaded": "Downloaded write-off {it}",
    "write_offs.sent": "Marked write-off {it} as sent",
    "write_off_setting.changed": "Changed the Balance Writeoff setting for {it}",
}

_LABELS: Final = {
    "until": "last day",
    "night": "run date",
    "digest": "checksum",
    "keys": "filters",
    "chunks_sha256": "batch checksum",
    "postings_sha256": "posting checksum",
    "frozen_sha256": "preview checksum",
    "answers_sha256": "answer checksum",
    "patient_id": "patient",
    "payer_id": "payer",
    "user_id": "user",
    "schedule": "by schedule",
    "settled": "succeeded",  # in a reversal, claims are reversed, not settled
    "exceeded": "exceeded limits",
    "over": "needs approval",
    "include": "overridden rules",
    "sign_in_changes": "changes of the second factor before",
}
_ROLES: Final = {role.value: word for role, word in ROLE_WORDS.items()}
# Acts of commands that run without a user.
_COMMAND_LINE_ACTS: Final = frozenset({
    "audit.exported", "import.changes_taken", "mapping.saved", "postings.imported", "practice.imported",
    "practice.other_created", "practice.sampled", "remittance.recorded", "single_sign_on.changed", "token.added",
    "token.revoked", "user.added", "write_off_setting.changed",
})  # fmt: skip
SIGN_IN_FAILED: Final = "user.sign_in_failed"
_SIGNED_OUT_ACTS: Final = frozenset({SIGN_IN_FAILED, "single_sign_on.refused", "user.password_forgotten"})
_FACTOR_REFUSED_ACTS: Final = frozenset({"user.factor_failed", "user.passkey_refused"})  # at a sign-in or later
_VALUES: Final[Mapping[str, Mapping[Any, str]]] = {
    **dict.fromkeys(("role", "from", "to"), _ROLES),
    "outcome": descriptions.OUTCOME_LABELS,
    "was": {status.value: codes.status_words(status) for status in JobStatus},
    "because": descriptions.REASONS,
}
_OF_CODES: Final = ("because", "code", "exceeded", "include", "over")  # shown as sentences

_NOTHING: Final[Mapping[str, str]] = {}
_A_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def who(act: str, person: str | None, *, by_provider: bool = False) -> str:
    """Return who acted: a user by name, or the system if no user is known."""
    if by_provider and person is None:
        return "Identity provider"
    if act in _SIGNED_OUT_ACTS or (act in _FACTOR_REFUSED_ACTS and person is None):
        return "Not signed in"
    return person or ("Command line" if act in _COMMAND_LINE_ACTS else "System")


def sentence(act: str, subject: str, *, names: Mapping[int, str], known: Mapping[str, str] = _NOTHING) -> str:
    """Return the sentence for an act. `names` are users by id; `known` are other subjects' own numbers and names.

    An act that a different version recorded is shown as it is.
    """
    it = subject_name(subject, names=names, known=known)
    words = ACT_SENTENCES.get(act)
    # Use replace and not format, because a claim's number may contain braces.
    return words.replace("{it}", it) if words else f"{act.replace('_', ' ').replace('.', ': ')} ({it})"


def subject_name(subject: str, *, names: Mapping[int, str], known: Mapping[str, str] = _NOTHING) -> str:
    """Return the name of `subject`: "job:1042" is job 1,042."""
    if subject in known:
        return known[subject]
    kind, _, key = subject.partition(":")
    is_number = key.isascii() and key.isdigit()
    if kind == "user" and is_number:
        return names.get(int(key), f"user {key}")
    if kind == "practice":
        return "the practice"
    if kind == "month":
        return calendar_months.format_long(calendar_months.parse_month(key))
    if kind == "claim" or not is_number:
        return f"{kind.replace('_', ' ')} {key}".strip()
    return f"{kind.replace('_', ' ')} {int(key):,}"


def details(
    facts: Mapping[str, Any], *, names: Mapping[int, str] | None = None, known: Mapping[str, str] = _NOTHING
) -> list[tuple[str, str]]:
    """Return the label and value of each fact worth showing, with the practice's own numbers and names for ids."""
    shown = {name: _by_name(name, value, names or {}, known) for name, value in _in_order(facts)}
    pairs = [(name, _value(name, value)) for name, value in shown.items()]
    return [(_LABELS.get(n, n.replace("_", " ").removesuffix(" cents")), value) for n, value in pairs if value]


def _in_order(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the facts with the old value before the new one. PostgreSQL stores shorter keys first."""
    names = ("from", "to") if set(facts) == {"from", "to"} else tuple(facts)
    return [(name, facts[name]) for name in names]


def _by_name(name: str, value: Any, names: Mapping[int, str], known: Mapping[str, str]) -> Any:
    if name in ("user_id", "owner", "granted_by"):
        if isinstance(value, dict):
            return {key: names.get(one, one) for key, one in value.items()}
        return names.get(value, value)
    return known.get(f"{name.removesuffix('_id')}:{value}", value) if name in ("patient_id", "payer_id") else value


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(_pair(name, key, inner) for key, inner in _in_order(value))
    if isinstance(value, list):
        return ("; " if name in _OF_CODES else ", ").join(_value(name, one) for one in value)
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return _number(name, value)
    return _text(name, str(value))


def _pair(name: str, key: str, inner: Any) -> str:
    of = key if key.endswith("_cents") else name  # a filter has amounts beside other values
    return f"{key.removesuffix('_cents').replace('_', ' ')} {_value(of, inner) or 'none'}"


def _text(name: str, value: str) -> str:
    found = _VALUES.get(name, {}).get(value)
    if found is not None or name in _OF_CODES:
        text = found or codes.describe(value)
        return f"{text[:1].lower()}{text[1:]}"
    if _A_DAY.fullmatch(value):
        return "{1}/{2}/{0}".format(*value.split("-"))
    return value.replace("_", " ") if value.islower() else value


def _number(name: str, value: int) -> str:
    if value == UNLIMITED:
        return UNLIMITED_WORD
    return format_cents(value) if name.endswith("_cents") else f"{value:,}"

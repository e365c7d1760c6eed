"""Print an import as the API returns it: its status, the questions about its mapping, and what its check found."""

import datetime as dt
from typing import Any, Final

from core.cli.import_output import print_lines, print_notes
from core.cli.import_totals import (
    counts_by_kind,
    difference_line,
    first_lines,
    print_balances,
    print_first_claims,
    print_held_back,
    print_moved,
    print_recognized,
    print_redated,
    remittance_lines,
    totals_lines,
)
from core.counting import counted
from core.enums.imports import ImportSource
from core.intake.loading.agreement import Agreement, DifferentBalance
from core.intake.loading.balance_reasons import Reason
from core.intake.loading.differences import Difference, legal_hold_words
from core.intake.loading.forecast import Forecast, moved_write_off_cents
from core.intake.loading.recognize import Recognized
from core.intake.loading.redated import Redated
from core.intake.loading.totals import FirstClaim
from core.intake.mapping.targets import TARGETS, Field
from core.intake.remittances.totals import only_remittances, what_is_new
from core.ledger.late_payments import WriteOffChanges
from core.money import format_cents

_ALL_ROWS: Final = "rows: the practice already has every row in these files"
_KINDS: Final = ("claims", "lines", "postings", "patients", "payers", "providers", "offices")


def print_import(answer: dict[str, Any]) -> str:
    """Print the import. Return an empty text, because nothing is left to print."""
    report = answer["report"] or {}
    lines = [f"Import {answer['id']} is {answer['status_words']}."]
    if answer["refused_words"]:
        lines.append(f"Nothing was imported. {answer['refused_words']}")
    lines += [f"  {group['sentence']}" for group in report.get("faults", ())]
    if report.get("faults"):
        lines.append(f"To list every location, run: settle import list {answer['id']} errors")
    if report.get("same_files_as"):
        lines.append(f"The same files were imported before, as import {report['same_files_as']}.")
    if report.get("changed_since_check") and answer["status"] == "ready":
        lines.append("The practice's data changed after the check, so nothing was imported. Compare the new totals.")
    if answer["options"].get("mapping_recognized"):
        name = answer["options"]["mapping_name"]
        lines.append(f"The file has the columns of the saved mapping {name}, so the import used it.")
    if answer["status"] == "needs_mapping":
        lines += _guess(answer, report["guess"])
    print_lines(lines)
    if "in_file" in report:
        _print_check(answer, report)
    print_lines(_files(report))
    return ""


def _guess(answer: dict[str, Any], guess: dict[str, Any]) -> list[str]:
    """Return the guessed columns, the open questions and how to proceed."""
    questions = [f"Question: {one['sentence']}" for one in guess["questions"]]
    if answer["options"].get("mapping"):
        return [*questions, "Answer on this import's page, or add the values to the mapping and send it again:",
                f"  settle import map {answer['id']} NAME"]  # fmt: skip
    lines = ["The file contains these columns:"]
    for one in guess["columns"]:
        label = TARGETS[Field(one["field"])].label if one["field"] else "not imported"
        lines.append(f"  {one['header']}: {label}")
    lines += questions
    lines.append("Check the columns on this import's page, and save the mapping there.")
    lines.append(f"To use a saved mapping, run: settle import map {answer['id']} NAME")
    return lines


def _print_check(answer: dict[str, Any], report: dict[str, Any]) -> None:
    """Print what is new, the control totals, what differs from the practice's records, and how to proceed."""
    print_lines([f"Warning: {one}" for one in report.get("warnings", ())])
    if problems := report.get("problems"):
        print_lines([f"For all {counted(problems, 'place')}, run: settle import list {answer['id']} errors"])
    print_notes(report.get("x12"))
    print_lines(_new(report))
    print_moved(WriteOffChanges(**report["write_offs"]))
    is_own_export = report["source"] == ImportSource.FILE.value
    print_lines(remittance_lines(report.get("x12"), report.get("receivable")))
    if not only_remittances(report):
        print_lines(totals_lines(report["in_file"], report["new"], gives_totals=is_own_export))
    if answer["difference_cents"] is not None:
        balances = (("Expected A/R total", answer["expected_total_cents"]), ("Difference", answer["difference_cents"]))
        print_lines([f"  {words:<32}{format_cents(cents):>16}" for words, cents in balances])
    days = [{**one, "service_date": dt.date.fromisoformat(one["service_date"])} for one in report["first_claims"]]
    print_first_claims([FirstClaim(**one) for one in days])
    print_lines(_differences(report))
    print_lines(_corrections(answer, report))
    print_recognized(Recognized(**report["recognized"]), moves_write_offs=bool(moved_write_off_cents(report)))
    print_redated(map(Redated.read, report.get("redated", ())), is_done=answer["status"] == "imported")
    print_held_back(report["held_back"])
    agreement, forecast = report.get("agreement"), report.get("forecast") if answer["status"] == "ready" else None
    print_balances(
        Agreement(**_with_balances(agreement)) if agreement else None,
        Forecast(**_with_balances(forecast)) if forecast else None,
    )
    if answer["status"] == "ready":
        print_lines(_next_steps(answer, report))


def _with_balances(facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "first": [_different_balance(one) for one in facts.get("first", ())]}


def _different_balance(one: dict[str, Any]) -> DifferentBalance:
    reasons = one.get("reasons", ())  # an earlier version found none
    return DifferentBalance(**{**one, "reasons": tuple(Reason(each["code"], each["cents"]) for each in reasons)})


def _new(report: dict[str, Any]) -> list[str]:
    """Return how many rows are new, on existing claims, and left out."""
    counts = [(kind, report["added"][kind]) for kind in _KINDS]
    added = ", ".join(counted(count, kind.removesuffix("s")) for kind, count in counts if count)
    added = ", ".join(filter(None, (added, what_is_new(report.get("x12")))))
    if added:
        lines = [f"New: {added}."]
    elif report["nothing_new"] and not _changed_postings(report):
        all_rows = "rows" if report.get("problems") else _ALL_ROWS
        what = "remittances: the practice already has these" if only_remittances(report) else all_rows
        lines = [f"No new {what}."]
    else:
        lines = ["No new rows."]
    existing = report["on_existing"]
    if existing["claims"]:
        rows = [counted(existing[kind], kind.removesuffix("s")) for kind in ("lines", "postings") if existing[kind]]
        lines.append(f"On {counted(existing['claims'], 'existing claim')}: {', '.join(rows)}.")
    if report["left_out"]:
        lines.append(f"Skipped: {counted(report['left_out'], 'claim')} without transactions.")
    return lines


def _changed_postings(report: dict[str, Any]) -> int:
    return int(report["corrections"]["changed"] + report["corrections"]["missing"])


def _differences(report: dict[str, Any]) -> list[str]:
    found = report["differences"]
    if not found["count"]:
        return []
    differ = "in existing records differs" if found["count"] == 1 else "in existing records differ"
    what = "applied" if report["changes_taken"] else differ
    first = [difference_line(Difference(**one)) for one in found["first"]]
    heading = f"{counted(found['count'], 'value')} {what} ({counts_by_kind(found['counts'])}):"
    kept = report.get("holds_kept", 0) if report["changes_taken"] else found.get("legal_holds", 0)
    notes = [legal_hold_words(kept, is_done=report["changes_taken"])] if kept else []
    return [heading, *first_lines(first, found["count"]), *notes]


def _corrections(answer: dict[str, Any], report: dict[str, Any]) -> list[str]:
    changed = _changed_postings(report)
    if not changed:
        return []
    posted = f" {counted(report['corrected'], 'correction')} posted." if report["corrected"] else ""
    number = counted(changed, "change")
    return [
        f"{number} to existing postings. An import never overwrites postings.{posted} To list corrections, run:",
        f"  settle import list {answer['id']} corrections",
    ]


def _next_steps(answer: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """Return the commands that import the rows, apply the changes and post the corrections."""
    command, lines = f"settle import confirm {answer['id']}", []
    has_rows = not report["nothing_new"]
    too = " too" if has_rows else ""
    if has_rows:
        lines.append(f"To import them, run: {command}")
    if report["differences"]["count"]:
        lines.append(f"To apply the changes{too}, run: {command} --take-changes")
    if report["corrections"]["to_post"]:
        lines.append(f"To post the corrections{too}, run: {command} --post-corrections")
    if answer["difference_cents"] and lines:
        lines.append("To import even though the A/R total differs, add --accept-difference.")
    return lines


def _files(report: dict[str, Any]) -> list[str]:
    """Return how many rows each file contained, and which files were ignored."""
    read = [
        f"{file['name']} {file['rows']:,}"
        + (f" ({counted(file['empty'], 'empty row')} skipped)" if file["empty"] else "")
        for file in report.get("read", ())
        if "rows" in file
    ]
    ignored = report.get("ignored", ())
    what = "Claims" if report.get("source") == ImportSource.X12.value else "Rows"
    lines = [f"{what} read: {', '.join(read)}."] if read else []
    if ignored:
        lines.append(f"Ignored, because Batch Settle's format has no file with this name: {', '.join(ignored)}.")
    return lines

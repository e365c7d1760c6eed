"""From a selection to CONFIRM: the same answers and the same job with and without JavaScript."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.claims import ClaimStatus, Hold
from core.enums.jobs import JobKind, JobStatus
from core.enums.people import Role
from core.enums.practices import PayerClass, WriteOffSetting
from core.jobs import commands
from core.jobs.keys import JobKey
from core.jobs.reversal import create_reversal
from core.models.jobs import SettleJob
from core.practices import limits
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.webui.conftest import Browser, Clock, page_text

DIALOG = {"X-Dialog": "1"}


def send(browser: Browser, path: str = "/jobs", *, dialog: bool = False, **fields: Any) -> TestResponse:
    page = browser.get("/claims").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    return browser.client.post(path, data={"csrf_token": token[1], **fields}, headers=DIALOG if dialog else {})


def preview(browser: Browser, *numbers: str, **fields: Any) -> TestResponse:
    form = {"target_status": "Settled", "reason": "small_balance", "idempotency_key": "one", **fields}
    return send(browser, claim_id=list(numbers), **form)


def test_the_preview_lists_the_rules_that_are_on_and_off(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.act(limits.set_rule_limits, {"statements_min": 2}, by=admin)

    page = biller.says(f"/jobs/{practice.preview().job_id}").partition("Skip rules: ")[2]
    off, _, on = page.partition("Off:")[2].partition("On:")

    assert "Too soon after the last statement to the patient" in off
    assert "Too few statements sent to the patient" in on
    assert "On hold, or excluded from write-offs" in on
    words = "check only an insurance balance that the job writes off. A job that writes off only patient balances"
    assert words in page
    assert words in biller.says("/settings")


def test_rules_of_a_balance_that_stays_open_are_not_listed_as_on(practice: GivenPractice, biller: Browser) -> None:
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.claim("rejected", Line(500, 700), primary_status=ClaimStatus.REJECTED)
    job = practice.preview()
    page = biller.says(f"/jobs/{job.job_id}").partition("Skip rules: ")[2]
    practice.confirm(job)
    practice.run()

    certificate = biller.says(f"/jobs/{job.job_id}/certificate")

    why = "The Balance Writeoff setting is Patient, so these rules do not apply: the insurance balance stays open."
    rejected = "Rejected by the clearinghouse or a payer before adjudication"
    for words in (page, certificate):
        on, _, not_applied = words.rpartition(why) if words is certificate else words.partition("On:")[::-1]
        assert why in words
        assert rejected not in on
        assert rejected in not_applied
    assert practice.item(job, "rejected").outcome == "settled"


def test_a_rejected_claim_with_only_a_patient_balance_settles_as_the_rules_page_says(practice: GivenPractice) -> None:
    practice.claim("patient", Line(0, 500), primary_status=ClaimStatus.REJECTED)
    practice.claim("insurance", Line(500, 0), primary_status=ClaimStatus.REJECTED)

    job = practice.settle()

    assert practice.item(job, "patient").outcome == "settled"
    assert practice.item(job, "insurance").code == "rejected"


def test_a_stale_preview_shows_how_many_of_its_claims_changed_before_confirm(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(3)
    practice.claim("HELD", Line(100, 0), hold=Hold.HOLD)
    job = practice.preview()
    page = f"/jobs/{job.job_id}"
    practice.change("HELD")  # skipped in any case
    assert "changed since this preview" not in biller.says(page)

    practice.change("C00002")

    shown = biller.says(page)
    warning = "1 of the 3 claims to settle has changed since the preview and will be skipped. Preview again."
    assert warning in shown
    assert shown.index(warning) < shown.index("Type CONFIRM")
    assert "Preview again" in shown.partition("Type CONFIRM")[2], "the button"

    practice.change("C00001")
    practice.change("C00003")

    shown = biller.says(page)
    assert "All 3 claims to settle have changed since the preview and will be skipped. Preview again." in shown
    assert "Type CONFIRM" not in shown
    assert send(biller, f"{page}/again").status_code == 200
    practice.confirm(job)  # as from a page that was opened before
    assert "changed since this preview" not in biller.says(page)


def test_a_refused_confirm_shows_current_figures(
    practice: GivenPractice, biller: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claims(3)
    job = practice.preview(name="October")
    practice.settle({"claim_ids": ["C00002"]}, key="other")

    late = send(biller, f"/jobs/{job.job_id}/confirm", confirmation="CONFIRM", changed_seen="0", name="November")

    assert late.status_code == 409, "the page was loaded before the change"
    shown = page_text(late)
    assert "More claims changed after you saw the preview. Nothing was started. This is a new preview" in shown
    assert "Will settle 2 of 3 claims" in shown
    assert "Settle 2 claims" in shown
    assert "Already settled" in shown
    assert "also in another unfinished job" not in shown
    assert 'name="changed_seen" value="0"' in late.text
    assert 'value="November"' in late.text
    assert 'value="CONFIRM"' not in late.text, "the figures changed, so the user confirms them again"
    *_, new = jobs_of(practice)
    assert (biller.status_of(job), new.status, new.name) == ("Discarded", JobStatus.PREVIEWED, "October")

    practice.change("C00001")
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    send(biller, f"/jobs/{new.id}/confirm", confirmation="CONFIRM", changed_seen="0", name="December")
    *_, large = jobs_of(practice)
    assert (large.status, large.name) == (JobStatus.PREPARING, "December"), "a worker makes this preview"


def jobs_of(practice: GivenPractice) -> list[SettleJob]:
    with practice.sessions() as session:
        return list(session.query(SettleJob).filter_by(practice_id=practice.id).order_by(SettleJob.id))


@pytest.fixture
def two_claims(practice: GivenPractice) -> GivenPractice:
    """Return a practice with two claims: one that can be settled, and one with a credit balance."""
    practice.claim("good", Line(1_000, 500), Line(0, 250), patient_id=practice.patient("<b>Abel</b> مريم"))
    practice.claim("credit", Line(-300, 500))
    return practice


def test_the_first_step_to_settled_asks_for_the_reason_and_creates_no_job(
    two_claims: GivenPractice, biller: Browser
) -> None:
    answer = send(biller, target_status="Settled", claim_id=["good", "credit"])

    assert answer.status_code == 200
    assert "Reason" in answer.text
    assert "good" in answer.text  # the form keeps the selection
    assert jobs_of(two_claims) == []


def test_the_first_step_shows_the_number_of_claims_and_the_target_status(
    two_claims: GivenPractice, biller: Browser
) -> None:
    assert (
        "Batch status change of <b>2 claims</b> to <b><bdi>Settled</bdi></b>."
        in send(biller, target_status="Settled", claim_id=["good", "credit"]).text
    )
    assert (
        "of <b>1 claim</b> to"
        in send(biller, target_status="Settled", scope="matching", filter="claim_id_prefix=g").text
    )
    job = preview(biller, "good").headers["Location"].rsplit("/", 1)[1]
    assert "of <b>1 claim</b> to" in send(biller, f"/jobs/{job}/again").text


def test_the_first_step_without_a_selection_asks_for_claims_and_offers_no_preview(
    two_claims: GivenPractice, biller: Browser
) -> None:
    answer = send(biller, target_status="Settled").text

    assert "No claim is selected. Close this and select at least one claim." in answer
    assert "Preview</button>" not in answer


def test_the_skipped_tile_names_every_reason(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("a", Line(-300, 500))
    practice.claim("b", Line(300, -500))
    practice.claim("c", Line(300, 900), Line(500, -200))
    practice.claim("d", Line(300, 0), primary_status=ClaimStatus.AT_PAYER)
    practice.claim("e", Line(300, 0))
    page = " ".join(biller.client.get(preview(biller, *"abcde").headers["Location"]).text.split())

    [tile] = re.findall(r'<div class="tile"><span class="quiet">Skipped</span>(.*?)</div>', page)
    tile = re.sub("<[^>]+>", "", tile)
    assert tile.startswith("4")
    assert {"Insurance credit", "Patient credit", "Service line credit", "In process"} == set(
        re.findall(r"1 ([A-Z][a-z ]+[a-z])", tile)
    )


def test_a_missing_reason_is_marked_at_its_field_and_the_note_stays(two_claims: GivenPractice, biller: Browser) -> None:
    answer = preview(biller, "good", reason="", note="Year-end <clean-up>")

    assert answer.status_code == 422
    assert 'id="reason-fault"' in answer.text
    assert 'value="Year-end &lt;clean-up&gt;"' in answer.text
    assert jobs_of(two_claims) == []


def test_a_note_that_is_too_long_is_marked_at_its_field(two_claims: GivenPractice, biller: Browser) -> None:
    answer = preview(biller, "good", note="x" * 501)

    assert answer.status_code == 422
    assert 'id="note-fault"' in answer.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Nothing is selected"),
        ({"claim_id": "gone"}, "Claim not found in this practice: gone"),
        ({"scope": "matching", "filter": "patient=Zzyzx"}, "No claim matches"),
    ],
)
def test_a_preview_without_claims_is_refused_with_an_explanation(
    two_claims: GivenPractice, biller: Browser, fields: dict[str, str], words: str
) -> None:
    answer = send(biller, target_status="Settled", reason="charity", **fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert jobs_of(two_claims) == []


def test_the_preview_shows_what_will_happen_to_each_claim(two_claims: GivenPractice, biller: Browser) -> None:
    answer = preview(biller, "good", "credit", note="Year-end")
    page = " ".join(biller.read(answer.headers["Location"]).split())

    assert answer.status_code == 303
    assert "Confirm the status change of <b>2 claims</b> to <b>Settled</b>." in page
    assert "<bdi><b>Abel</b> مريم</bdi>" in page
    assert "<b>Abel</b>" not in biller.get(answer.headers["Location"]).text
    assert "Skipped</span> Insurance credit balance" in page
    assert (
        "This posts 3 write-offs to 1 claim, totaling $17.50. Only an approver or administrator can reverse this, and"
        in page
    )
    assert "Balance Writeoff: patient and insurance" in page
    assert "Small balance" in page
    assert "Year-end" in page
    assert "11/23/2026" in page
    assert "By payer" in page
    assert "Settle 1 claim" in page


def test_the_dialog_shows_the_preview_without_the_page_around_it(two_claims: GivenPractice, biller: Browser) -> None:
    answer = send(
        biller, dialog=True, target_status="Settled", reason="charity", claim_ids='["good"]', idempotency_key="k"
    )

    assert answer.status_code == 201
    assert "<html" not in answer.text
    assert "Confirm Batch Status Change" in answer.text


def test_a_double_click_on_preview_makes_one_job(two_claims: GivenPractice, biller: Browser) -> None:
    first, second = preview(biller, "good"), preview(biller, "good")

    assert first.headers["Location"] == second.headers["Location"]
    assert len(jobs_of(two_claims)) == 1


def test_another_selection_from_the_same_page_makes_another_job(two_claims: GivenPractice, biller: Browser) -> None:
    assert preview(biller, "good").headers["Location"] != preview(biller, "credit").headers["Location"]


def test_a_selection_of_all_matching_claims_leaves_out_the_excluded_claim(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(5)

    preview(biller, scope="matching", filter="claim_id_prefix=C", claim_ids='["C00002"]')

    [job] = jobs_of(practice)
    assert job.claims_total == 4
    assert job.selection == {"filter": {"claim_id_prefix": "C"}, "excluded_claim_ids": 1}


def test_all_matching_claims_without_a_filter_are_all_claims_of_the_practice(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(3)

    preview(biller, scope="matching", filter="")

    assert [job.claims_total for job in jobs_of(practice)] == [3]


@pytest.mark.parametrize("word", ["confirm", ""])
@pytest.mark.parametrize("dialog", [True, False])
def test_any_word_but_confirm_is_refused_at_its_field(
    two_claims: GivenPractice, biller: Browser, word: str, dialog: bool
) -> None:
    job = preview(biller, "good").headers["Location"]

    answer = send(biller, f"{job}/confirm", dialog=dialog, confirmation=word)

    assert answer.status_code == 422
    assert 'id="confirmation-fault"' in answer.text
    assert "Settle 1 claim" in page_text(answer)  # the confirm form stays
    assert jobs_of(two_claims)[0].status is JobStatus.PREVIEWED


def test_confirm_starts_the_job_once_and_a_replay_changes_nothing(two_claims: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good", "credit").headers["Location"]

    first = send(biller, f"{job}/confirm", confirmation="CONFIRM")
    two_claims.run()
    again = send(biller, f"{job}/confirm", confirmation="CONFIRM")

    assert [first.status_code, again.status_code] == [303, 303]
    assert first.headers["Location"] == again.headers["Location"] == job
    assert two_claims.write_offs("good") == [(1, "insurance", -1_000), (1, "patient", -500), (2, "patient", -250)]
    assert two_claims.write_offs("credit") == []
    assert two_claims.violations() == []


def test_the_dialog_receives_the_address_of_the_confirmed_job(two_claims: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good").headers["Location"]

    answer = send(biller, f"{job}/confirm", dialog=True, confirmation="CONFIRM")

    assert json.loads(answer.text) == {"location": job}


def test_a_canceled_preview_can_no_longer_be_confirmed(two_claims: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good").headers["Location"]

    send(biller, f"{job}/discard")
    answer = send(biller, f"{job}/confirm", confirmation="CONFIRM")

    assert answer.status_code == 409
    assert "This preview can no longer be confirmed. No claim was changed." in page_text(answer)
    assert two_claims.write_offs("good") == []


def test_an_hour_old_preview_must_be_previewed_again(two_claims: GivenPractice, biller: Browser, clock: Clock) -> None:
    job = preview(biller, "good", "credit").headers["Location"]
    clock.turn_on(minutes=25)
    assert "Settle 1 claim" in biller.says(job)
    clock.turn_on(minutes=4)
    biller.get(job)
    clock.turn_on(minutes=29)
    biller.get(job)
    clock.turn_on(minutes=3)

    answer = send(biller, f"{job}/confirm", confirmation="CONFIRM")
    assert answer.status_code == 409
    page = biller.read(job)
    assert "over an hour old" in page
    assert 'id="confirm-form"' not in page

    reason_step = send(biller, f"{job}/again")
    assert 'name="again" value="1"' in reason_step.text
    fresh = send(biller, target_status="Settled", again="1", reason="charity", idempotency_key="two")
    assert fresh.headers["Location"] != job
    assert jobs_of(two_claims)[1].claims_total == 2


@pytest.mark.parametrize("again", ["0", "x", "9" * 19, "9" * 5_000])
def test_a_new_preview_of_a_job_that_does_not_exist_is_not_found(
    two_claims: GivenPractice, biller: Browser, again: str
) -> None:
    answer = send(biller, target_status="Settled", again=again, reason="charity", idempotency_key="two")

    assert answer.status_code == 404
    assert jobs_of(two_claims) == []


def test_another_reason_replaces_the_preview_of_the_same_claims(practice: GivenPractice, biller: Browser) -> None:
    payer = practice.payer("CMS", PayerClass.MEDICARE)
    practice.claim("m", Line(0, 500), primary_payer_id=payer)
    bad_debt = preview(biller, "m", reason="bad_debt").headers["Location"]
    assert "so there is nothing to confirm" in biller.read(bad_debt)
    says = biller.says(bad_debt)
    assert "cost sharing. Use a Charity or Small balance reason, or Bad debt after 3 statements" in says
    assert "Ins 1 payer class Medicare" in says
    assert "Use a Charity" not in says.partition("Skip rules: ")[2], "a list of rules gives no advice"

    charity = send(biller, target_status="Settled", again="1", reason="charity", idempotency_key="two")

    assert "Settle 1 claim" in biller.says(charity.headers["Location"])
    assert [job.status for job in jobs_of(practice)] == [JobStatus.DISCARDED, JobStatus.PREVIEWED]


def test_the_setting_neither_is_shown_at_both_steps_before_confirm(
    sessions: Any, browser_of: Callable[[Actor], Browser]
) -> None:
    practice = a_practice(sessions, write_off=WriteOffSetting.NEITHER)
    practice.claim("1", Line(1_000, 500))
    biller = browser_of(practice.biller)

    first_step = page_text(send(biller, target_status="Settled", claim_id="1"))
    assert "claims change to Settled, but $0.00 is written off" in first_step
    page = " ".join(biller.read(preview(biller, "1").headers["Location"]).split())
    assert "The Balance Writeoff setting is Neither" in page
    beside_the_button = page.partition('id="warning"')[2].partition("</p>")[0]
    assert (
        "This writes off $0.00, because the Balance Writeoff setting is Neither. It only changes the status of 1 claim "
        "to Settled." in beside_the_button
    )


def test_a_new_practice_is_asked_for_its_setting_before_its_first_preview(
    sessions: Any, browser_of: Callable[[Actor], Browser]
) -> None:
    practice = a_practice(sessions, write_off=None)
    practice.claim("1", Line(1_000, 500))
    biller = browser_of(practice.biller)
    first = send(biller, target_status="Settled", claim_id="1")
    assert "Only an administrator can choose it, and your practice has none." in page_text(first)
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))

    of_biller, of_admin = (send(one, target_status="Settled", claim_id="1", dialog=True) for one in (biller, admin))
    for answer in (of_biller, of_admin):
        shown = page_text(answer)
        assert "Your practice has not chosen its Balance Writeoff setting yet , so no claim can change" in shown
        assert "Preview</button>" not in answer.text
        assert 'name="reason"' not in answer.text
    assert "Ask an administrator to choose it in Settings: admin." in page_text(of_biller)
    assert '<a href="/settings">Choose it in Settings</a>' in of_admin.text
    assert "Ask an administrator" not in of_admin.text

    refused = preview(biller, "1")
    assert refused.status_code == 409
    assert refused.text.count("has not chosen its Balance Writeoff setting") == 1
    assert jobs_of(practice) == []

    admin.post("/settings/write-off", setting="neither")
    assert preview(biller, "1").status_code == 303
    facts = practice.audited("write_off_setting.changed")[-1].facts
    assert facts == {"from": "neither", "to": "neither", "first_choice": True}


def test_a_new_practice_reads_everywhere_that_its_setting_is_not_chosen(
    sessions: Any, browser_of: Callable[[Actor], Browser]
) -> None:
    practice = a_practice(sessions, write_off=None)
    practice.claim("1", Line(1_000, 500))
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))
    missing = "Your practice has not chosen its Balance Writeoff setting yet"

    settings = admin.read("/settings")
    assert "Not chosen yet. No claim can change to Settled" in page_text(admin.get("/settings"))
    assert not re.search(r'name="setting"[^>]*checked', settings)
    assert "Practice default (not chosen yet)" in settings
    assert missing in admin.says("/claims")
    assert f"Status change only: {missing.replace('Your', 'your')}." in admin.says("/claims/1")

    admin.post("/settings/write-off", setting="both")
    assert re.search(r'value="both"[^>]*checked', admin.read("/settings"))
    assert missing not in admin.says("/claims")
    assert "not chosen" not in admin.says("/claims/1")


def test_a_change_to_another_status_moves_no_money_and_mentions_no_write_off(
    two_claims: GivenPractice, biller: Browser
) -> None:
    answer = send(biller, target_status="Internal Review", claim_id=["good", "credit"], idempotency_key="s")
    page = biller.read(answer.headers["Location"])

    assert "write-off" not in page.lower().split("</header>", 1)[1].split("</section>", 1)[0]
    assert "Change 2 claims" in biller.says(answer.headers["Location"])
    assert jobs_of(two_claims)[0].kind is JobKind.STATUS

    send(biller, f"{answer.headers['Location']}/confirm", confirmation="CONFIRM")
    two_claims.run()
    assert two_claims.read("credit").billing_status == "Internal Review"
    assert two_claims.read("good").insurance_due == 1_000
    assert two_claims.write_offs("good") == []


def test_an_unknown_billing_status_is_refused_with_an_explanation(two_claims: GivenPractice, biller: Browser) -> None:
    answer = send(biller, target_status="Setled", claim_id="good")

    assert answer.status_code == 422
    assert "has no billing status" in answer.text


def test_the_preview_warns_of_claims_that_are_also_in_another_unfinished_job(
    two_claims: GivenPractice, biller: Browser
) -> None:
    job = preview(biller, "good").headers["Location"]
    send(biller, f"{job}/confirm", confirmation="CONFIRM")

    second = preview(biller, "good", idempotency_key="two")

    assert "1 of these claims is also in another unfinished job." in biller.says(second.headers["Location"])


def test_only_an_administrator_can_override_skip_rules(
    two_claims: GivenPractice, biller: Browser, browser_of: Callable[[Actor], Browser]
) -> None:
    two_claims.claim("with payer", Line(1_000, 0), primary_status=ClaimStatus.AT_PAYER)
    admin = browser_of(two_claims.person("admin@lakeside.example", Role.ADMIN))

    assert 'name="include"' not in send(biller, target_status="Settled", claim_id="with payer").text
    assert preview(biller, "with payer", include="in_process").status_code == 403
    assert 'name="include"' in send(admin, target_status="Settled", claim_id="with payer").text
    page = admin.says(preview(admin, "with payer", include="in_process").headers["Location"])
    assert "Settle 1 claim" in page
    assert "overrides the rule: Claim is still in process at the clearinghouse or payer" in page


def test_the_preview_lists_claims_by_verdict_200_at_a_time(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(205)
    practice.claim("credit", Line(-300, 500))
    job = preview(biller, scope="matching", filter="").headers["Location"]

    first = biller.get(f"{job}/preview", **DIALOG).text
    rest = biller.get(f"{job}/preview?after=200", **DIALOG).text
    skipped = biller.get(f"{job}/preview?verdict=skip", **DIALOG).text

    assert (first.count('<th scope="row"'), rest.count('<th scope="row"'), skipped.count('<th scope="row"')) == (
        200,
        6,
        1,
    )
    assert "after=200" in first
    assert biller.read(f"{job}?verdict=skip").count("/claims/C0") == 0  # without JavaScript
    assert biller.get(f"{job}/preview?after=99999999999999999999999&verdict=x", **DIALOG).status_code == 200


def test_a_large_preview_shows_that_it_is_being_prepared(
    practice: GivenPractice, biller: Browser, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    practice.claims(3)
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)

    job = preview(biller, scope="matching", filter="").headers["Location"]
    clock.turn_on(seconds=5)
    page = biller.says(job)
    assert "Checking 3 claims (5 seconds so far)." in page
    assert send(biller, f"{job}/confirm", confirmation="CONFIRM").status_code == 409
    box = biller.get(f"{job}/confirm", **DIALOG).text
    assert f'data-preparing="{job}/confirm"' in box

    send(biller, f"{job}/discard")
    assert jobs_of(practice)[0].status is JobStatus.DISCARDED


def test_a_preview_of_another_practice_cannot_be_previewed_again(
    two_claims: GivenPractice, browser_of: Callable[[Actor], Browser]
) -> None:
    stranger = browser_of(a_practice(two_claims.sessions, name="Hillside").biller)
    job = two_claims.preview({"claim_ids": ["good"]})

    answer = send(stranger, target_status="Settled", again=str(job.job_id), reason="charity")

    assert answer.status_code == 404
    assert jobs_of(two_claims)[0].status is JobStatus.PREVIEWED


def test_a_preview_confirmed_in_another_window_shows_that_it_was_confirmed(
    two_claims: GivenPractice, biller: Browser
) -> None:
    key = two_claims.preview({"claim_ids": ["good"]})
    two_claims.act(commands.confirm, JobKey(two_claims.id, key.job_id), confirmation="CONFIRM")

    assert "This job was already confirmed." in biller.get(f"/jobs/{key.job_id}/confirm", **DIALOG).text


def test_a_status_change_is_previewed_again_without_a_reason_step(two_claims: GivenPractice, biller: Browser) -> None:
    job = send(biller, target_status="Internal Review", claim_id=["good"], idempotency_key="s").headers["Location"]

    fresh = send(biller, f"{job}/again")

    assert fresh.status_code == 303
    assert [job.status for job in jobs_of(two_claims)] == [JobStatus.DISCARDED, JobStatus.PREVIEWED]
    assert "Change 1 claim" in biller.says(fresh.headers["Location"])


def test_a_reversal_is_confirmed_in_the_same_way_as_a_settlement(
    two_claims: GivenPractice, browser_of: Callable[[Actor], Browser]
) -> None:
    admin = two_claims.person("admin@lakeside.example", Role.ADMIN)
    original = two_claims.settle({"claim_ids": ["good"]})
    with transaction(two_claims.sessions) as session:
        request = {"claim_ids": None, "by": admin, "idempotency_key": "r", "note": "Wrong list", "now": NOW}
        job = create_reversal.request_reversal(session, original, **request)  # type: ignore[arg-type]

    page = " ".join(browser_of(admin).read(f"/jobs/{job.id}").split())

    assert "Confirm the reversal of <b>1 claim</b> in" in page
    assert "This posts 3 offsetting entries that restore $17.50 to 1 claim." in page
    assert "Will be reversed" in page
    assert "Reverse 1 claim" in page
    assert "Change reason" not in page

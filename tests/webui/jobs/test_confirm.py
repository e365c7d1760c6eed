"""From a selection to CONFIRM, with and without JavaScript: the same answers, the same job."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.access.permissions import Actor
from core.db.engine import transaction
from core.jobs import commands
from core.jobs.keys import JobKey
from core.jobs.reversal import create
from core.models.claims import ClaimStatus, Hold
from core.models.jobs import JobKind, JobStatus, SettleJob
from core.models.people import Role
from core.models.practices import PayerClass, WriteOffSetting
from tests.core.claims.conftest import a_patient
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.webui.conftest import Browser, Clock

DIALOG = {"X-Dialog": "1"}


def send(browser: Browser, path: str = "/jobs", *, dialog: bool = False, **fields: Any) -> TestResponse:
    page = browser.get("/claims").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    return browser.client.post(path, data={"csrf_token": token[1], **fields}, headers=DIALOG if dialog else {})


def preview(browser: Browser, *numbers: str, **fields: Any) -> TestResponse:
    asked = {"target_status": "Settled", "reason": "small_balance", "idempotency_key": "one", **fields}
    return send(browser, claim_id=list(numbers), **asked)


def test_a_stale_preview_says_before_confirm_how_many_of_its_claims_changed(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(3)
    practice.claim("HELD", Line(100, 0), hold=Hold.HOLD)
    job = practice.preview()
    page = f"/jobs/{job.job_id}"
    practice.change("HELD")  # skipped in any case
    assert "changed since this preview" not in biller.says(page)

    practice.change("C00002")

    said = biller.says(page)
    told = "1 of the 3 claims to be settled has changed since this preview and will be skipped. Preview again."
    assert told in said
    assert said.index(told) < said.index("Type CONFIRM")
    assert "Preview again" in said.partition("Type CONFIRM")[2], "the button"

    practice.change("C00001")
    practice.change("C00003")

    said = biller.says(page)
    assert (
        "All of the 3 claims to be settled have changed since this preview and will be skipped. Preview again." in said
    )
    assert "Type CONFIRM" not in said
    assert send(biller, f"{page}/again").status_code == 200
    practice.confirm(job)  # as a page that was opened before
    assert "changed since this preview" not in biller.says(page)


def jobs_of(practice: GivenPractice) -> list[SettleJob]:
    with practice.sessions() as session:
        return list(session.query(SettleJob).filter_by(practice_id=practice.id).order_by(SettleJob.id))


@pytest.fixture
def two(practice: GivenPractice) -> GivenPractice:
    """One claim that can be settled, one with a credit."""
    practice.claim("good", Line(1_000, 500), Line(0, 250), patient_id=a_patient(practice, "<b>Abel</b> مريم"))
    practice.claim("credit", Line(-300, 500))
    return practice


def test_settled_asks_the_reason_first_and_does_nothing(two: GivenPractice, biller: Browser) -> None:
    answer = send(biller, target_status="Settled", claim_id=["good", "credit"])

    assert answer.status_code == 200
    assert "Reason" in answer.text
    assert "good" in answer.text  # the selection goes on
    assert jobs_of(two) == []


def test_the_first_step_says_how_many_claims_go_where(two: GivenPractice, biller: Browser) -> None:
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


def test_nothing_selected_is_said_at_the_first_step(two: GivenPractice, biller: Browser) -> None:
    answer = send(biller, target_status="Settled").text

    assert "select at least one claim first" in answer
    assert "Preview</button>" not in answer


def test_the_tile_of_the_skipped_names_every_reason(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("a", Line(-300, 500))
    practice.claim("b", Line(300, -500))
    practice.claim("c", Line(300, 900), Line(500, -200))
    practice.claim("d", Line(300, 0), primary_status=ClaimStatus.AT_PAYER)
    practice.claim("e", Line(300, 0))
    page = biller.client.get(preview(biller, *"abcde").headers["Location"]).text

    [tile] = re.findall(r'<div class="tile"><span class="quiet">Skipped</span>(.*?)</div>', page)
    assert tile.startswith("<b>4</b>")
    assert {"Insurance credit", "Patient credit", "Credit balance on a service line", "In process"} == set(
        re.findall(r"1 ([A-Z][a-z ]+[a-z])", tile)
    )


def test_a_missing_reason_is_a_fault_at_the_field(two: GivenPractice, biller: Browser) -> None:
    answer = preview(biller, "good", reason="", note="Year-end <clean-up>")

    assert answer.status_code == 422
    assert 'id="reason-fault"' in answer.text
    assert 'value="Year-end &lt;clean-up&gt;"' in answer.text
    assert jobs_of(two) == []


def test_a_note_that_is_too_long_is_a_fault_at_the_field(two: GivenPractice, biller: Browser) -> None:
    answer = preview(biller, "good", note="x" * 501)

    assert answer.status_code == 422
    assert 'id="note-fault"' in answer.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Nothing is selected"),
        ({"claim_id": "gone"}, "No such claim in this practice: gone"),
        ({"scope": "matching", "filter": "patient=Nobody"}, "No claim matches"),
    ],
)
def test_a_selection_of_nothing_is_said_in_words(
    two: GivenPractice, biller: Browser, fields: dict[str, str], words: str
) -> None:
    answer = send(biller, target_status="Settled", reason="charity", **fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert jobs_of(two) == []


def test_the_preview_shows_every_claim_with_what_will_happen(two: GivenPractice, biller: Browser) -> None:
    answer = preview(biller, "good", "credit", note="Year-end")
    page = " ".join(biller.read(answer.headers["Location"]).split())

    assert answer.status_code == 303
    assert "Confirm the status change of <b>2 claims</b> to <b>Settled</b>." in page
    assert "<bdi><b>Abel</b> مريم</bdi>" in page
    assert "<b>Abel</b>" not in biller.get(answer.headers["Location"]).text
    assert "Skipped</span> because the insurance has a credit" in page
    assert (
        "This posts 3 write-offs, $17.50 in all, to 1 claim. Only an approver or administrator can reverse this."
        in page
    )
    assert "Balance Writeoff: patient and insurance" in page
    assert "Small balance" in page
    assert "Year-end" in page
    assert "11/23/2026" in page
    assert "By payer" in page
    assert "Settle 1 claim" in page


def test_the_dialog_shows_the_same_without_the_page_around_it(two: GivenPractice, biller: Browser) -> None:
    answer = send(
        biller, dialog=True, target_status="Settled", reason="charity", claim_ids='["good"]', idempotency_key="k"
    )

    assert answer.status_code == 201
    assert "<html" not in answer.text
    assert "Confirm Bulk Status Change" in answer.text


def test_a_double_click_makes_one_job(two: GivenPractice, biller: Browser) -> None:
    first, second = preview(biller, "good"), preview(biller, "good")

    assert first.headers["Location"] == second.headers["Location"]
    assert len(jobs_of(two)) == 1


def test_another_selection_on_the_same_page_is_another_job(two: GivenPractice, biller: Browser) -> None:
    assert preview(biller, "good").headers["Location"] != preview(biller, "credit").headers["Location"]


def test_all_that_match_but_one(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(5)

    preview(biller, scope="matching", filter="claim_id_prefix=C", claim_ids='["C00002"]')

    [job] = jobs_of(practice)
    assert job.claims_total == 4
    assert job.selection == {"filter": {"claim_id_prefix": "C"}, "excluded_claim_ids": 1}


def test_all_without_a_filter_means_every_claim(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)

    preview(biller, scope="matching", filter="")

    assert [job.claims_total for job in jobs_of(practice)] == [3]


@pytest.mark.parametrize("word", ["confirm", "CONFIRM ", " CONFIRM", "Confirm", "", "CONFIRMED", "ＣＯＮＦＩＲＭ"])
@pytest.mark.parametrize("dialog", [True, False])
def test_any_other_word_is_a_fault_at_the_field(two: GivenPractice, biller: Browser, word: str, dialog: bool) -> None:
    job = preview(biller, "good").headers["Location"]

    answer = send(biller, f"{job}/confirm", dialog=dialog, confirmation=word)

    assert answer.status_code == 422
    assert 'id="confirmation-fault"' in answer.text
    assert "Settle 1 claim" in answer.text  # the box stays
    assert jobs_of(two)[0].status is JobStatus.PREVIEWED


def test_the_word_lets_it_run_and_a_replay_changes_nothing(two: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good", "credit").headers["Location"]

    first = send(biller, f"{job}/confirm", confirmation="CONFIRM")
    two.run()
    again = send(biller, f"{job}/confirm", confirmation="CONFIRM")

    assert [first.status_code, again.status_code] == [303, 303]
    assert first.headers["Location"] == again.headers["Location"] == job
    assert two.write_offs("good") == [(1, "insurance", -1_000), (1, "patient", -500), (2, "patient", -250)]
    assert two.write_offs("credit") == []
    assert two.violations() == []


def test_the_dialog_is_told_where_the_job_is(two: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good").headers["Location"]

    answer = send(biller, f"{job}/confirm", dialog=True, confirmation="CONFIRM")

    assert json.loads(answer.text) == {"location": job}


def test_cancel_gives_the_preview_up(two: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good").headers["Location"]

    send(biller, f"{job}/discard")
    answer = send(biller, f"{job}/confirm", confirmation="CONFIRM")

    assert answer.status_code == 409
    assert "nothing was changed by it" in answer.text
    assert two.write_offs("good") == []


def test_an_hour_later_it_must_be_previewed_again(two: GivenPractice, biller: Browser, clock: Clock) -> None:
    job = preview(biller, "good", "credit").headers["Location"]
    clock.turn_on(minutes=25)
    assert "Settle 1 claim" in biller.read(job)
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

    asked = send(biller, f"{job}/again")
    assert 'name="again" value="1"' in asked.text
    fresh = send(biller, target_status="Settled", again="1", reason="charity", idempotency_key="two")
    assert fresh.headers["Location"] != job
    assert jobs_of(two)[1].claims_total == 2


@pytest.mark.parametrize("again", ["0", "x", "9" * 19, "9" * 5_000])
def test_the_claims_of_a_job_that_cannot_be_are_not_found(two: GivenPractice, biller: Browser, again: str) -> None:
    answer = send(biller, target_status="Settled", again=again, reason="charity", idempotency_key="two")

    assert answer.status_code == 404
    assert jobs_of(two) == []


def test_another_reason_is_another_preview_of_the_same_claims(practice: GivenPractice, biller: Browser) -> None:
    payer = practice.payer("CMS", PayerClass.MEDICARE)
    practice.claim("m", Line(0, 500), primary_payer_id=payer)
    bad_debt = preview(biller, "m", reason="bad_debt").headers["Location"]
    assert "so there is nothing to confirm" in biller.read(bad_debt)
    assert "share may be written off only as charity" in biller.read(bad_debt)

    charity = send(biller, target_status="Settled", again="1", reason="charity", idempotency_key="two")

    assert "Settle 1 claim" in biller.read(charity.headers["Location"])
    assert [job.status for job in jobs_of(practice)] == [JobStatus.DISCARDED, JobStatus.PREVIEWED]


def test_neither_is_said_before_it_happens(sessions: Any, browser_of: Callable[[Actor], Browser]) -> None:
    practice = a_practice(sessions, write_off=WriteOffSetting.NEITHER)
    practice.claim("1", Line(1_000, 500))
    biller = browser_of(practice.biller)

    assert "no money is written off" in send(biller, target_status="Settled", claim_id="1").text
    page = " ".join(biller.read(preview(biller, "1").headers["Location"]).split())
    assert "The Balance Writeoff setting is Neither" in page
    assert "This posts no write-off: 1 claim moves to Settled by status only." in page


def test_another_status_moves_no_money_and_speaks_of_none(two: GivenPractice, biller: Browser) -> None:
    answer = send(biller, target_status="Internal Review", claim_id=["good", "credit"], idempotency_key="s")
    page = biller.read(answer.headers["Location"])

    assert "write-off" not in page.lower().split("</header>", 1)[1].split("</section>", 1)[0]
    assert "Change 2 claims" in page
    assert jobs_of(two)[0].kind is JobKind.STATUS

    send(biller, f"{answer.headers['Location']}/confirm", confirmation="CONFIRM")
    two.run()
    assert two.read("credit").billing_status == "Internal Review"
    assert two.read("good").insurance_due == 1_000
    assert two.write_offs("good") == []


def test_an_unknown_status_is_refused_in_words(two: GivenPractice, biller: Browser) -> None:
    answer = send(biller, target_status="Setled", claim_id="good")

    assert answer.status_code == 422
    assert "has no billing status" in answer.text


def test_claims_in_another_open_job_are_warned_of(two: GivenPractice, biller: Browser) -> None:
    job = preview(biller, "good").headers["Location"]
    send(biller, f"{job}/confirm", confirmation="CONFIRM")

    second = preview(biller, "good", idempotency_key="two")

    assert "1 of these claims is in another open job too" in biller.read(second.headers["Location"])


def test_only_who_may_override_is_asked_to(
    two: GivenPractice, biller: Browser, browser_of: Callable[[Actor], Browser]
) -> None:
    two.claim("with payer", Line(1_000, 0), primary_status=ClaimStatus.AT_PAYER)
    admin = browser_of(two.person("admin@lakeside.example", Role.ADMIN))

    assert 'name="include"' not in send(biller, target_status="Settled", claim_id="with payer").text
    assert preview(biller, "with payer", include="in_process").status_code == 403
    assert 'name="include"' in send(admin, target_status="Settled", claim_id="with payer").text
    page = admin.read(preview(admin, "with payer", include="in_process").headers["Location"])
    assert "Settle 1 claim" in page
    assert "An insurance is still working on it" in page


def test_the_claims_are_shown_by_verdict_and_two_hundred_at_a_time(practice: GivenPractice, biller: Browser) -> None:
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


def test_a_large_preview_says_that_it_is_being_prepared(
    practice: GivenPractice, biller: Browser, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    practice.claims(3)
    monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)

    job = preview(biller, scope="matching", filter="").headers["Location"]
    clock.turn_on(seconds=5)
    page = biller.read(job)
    assert "<b>3</b> claims are judged" in page
    assert "5 seconds" in page
    assert send(biller, f"{job}/confirm", confirmation="CONFIRM").status_code == 409
    waiting = biller.get(f"{job}/confirm", **DIALOG).text
    assert f'data-preparing="{job}/confirm"' in waiting

    send(biller, f"{job}/discard")
    assert jobs_of(practice)[0].status is JobStatus.DISCARDED


def test_a_job_of_another_practice_is_not_there(two: GivenPractice, browser_of: Callable[[Actor], Browser]) -> None:
    stranger = browser_of(a_practice(two.sessions, name="Hillside").biller)
    job = f"/jobs/{two.preview({'claim_ids': ['good']}).job_id}"

    for path in (f"{job}/confirm", f"{job}/discard", f"{job}/again"):
        assert send(stranger, path, confirmation="CONFIRM").status_code == 404
    for path in (f"{job}/confirm", f"{job}/preview"):
        assert stranger.get(path, **DIALOG).status_code == 404
    answer = send(stranger, target_status="Settled", again=job.removeprefix("/jobs/"), reason="charity")
    assert answer.status_code == 404
    assert jobs_of(two)[0].status is JobStatus.PREVIEWED


def test_a_form_without_its_token_does_nothing(two: GivenPractice, biller: Browser) -> None:
    job = two.preview({"claim_ids": ["good"]})

    answer = biller.client.post(f"/jobs/{job.job_id}/confirm", data={"confirmation": "CONFIRM"})

    assert answer.status_code == 400
    assert jobs_of(two)[0].status is JobStatus.PREVIEWED


def test_who_confirmed_elsewhere_is_shown_the_job(two: GivenPractice, biller: Browser) -> None:
    key = two.preview({"claim_ids": ["good"]})
    with transaction(two.sessions) as session:
        commands.confirm(session, JobKey(two.id, key.job_id), confirmation="CONFIRM", by=two.biller, now=NOW)

    assert "confirmed already" in biller.get(f"/jobs/{key.job_id}/confirm", **DIALOG).text


def test_a_status_change_that_expired_is_previewed_again_at_once(two: GivenPractice, biller: Browser) -> None:
    job = send(biller, target_status="Internal Review", claim_id=["good"], idempotency_key="s").headers["Location"]

    fresh = send(biller, f"{job}/again")

    assert fresh.status_code == 303
    assert [job.status for job in jobs_of(two)] == [JobStatus.DISCARDED, JobStatus.PREVIEWED]
    assert "Change 1 claim" in biller.read(fresh.headers["Location"])


def test_a_reversal_is_confirmed_in_the_same_box(two: GivenPractice, browser_of: Callable[[Actor], Browser]) -> None:
    admin = two.person("admin@lakeside.example", Role.ADMIN)
    original = two.settle({"claim_ids": ["good"]})
    with transaction(two.sessions) as session:
        asked = {"claim_ids": None, "by": admin, "idempotency_key": "r", "now": NOW}
        job = create.request_reversal(session, original, **asked)  # type: ignore[arg-type]

    page = " ".join(browser_of(admin).read(f"/jobs/{job.id}").split())

    assert "Confirm the reversal of <b>1 claim</b> of" in page
    assert "This posts 3 counter-postings that restore $17.50 to 1 claim." in page
    assert "Will be reversed" in page
    assert "Reverse 1 claim" in page
    assert "Change reason" not in page

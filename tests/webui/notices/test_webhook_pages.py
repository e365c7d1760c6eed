"""The pages of webhooks: faults at their fields, the secret once, and the delivery log."""

from core.notices import webhooks
from tests.factories import GivenPractice
from tests.webui.conftest import Browser, Clock

URL = "https://pm.example/hook"


def add(admin: Browser, **fields: object) -> str:
    answer = admin.post("/webhooks", on="/webhooks", **{"url": URL, "events": ["job.completed"], **fields})
    assert answer.status_code == 303, answer.text
    return admin.read(answer.location)


def test_the_secret_is_shown_for_ten_minutes_and_never_again(admin: Browser, clock: Clock) -> None:
    page = add(admin)

    assert "whsec_" in page
    assert not any("whsec_" in admin.read(path) for path in ("/webhooks", "/webhooks/1", "/audit"))
    clock.turn_on(minutes=9)
    assert "whsec_" in admin.read("/webhooks/1/secret")
    clock.turn_on(minutes=2)
    assert admin.get("/webhooks/1/secret").location == "/webhooks/1"


def test_a_form_sent_twice_adds_one_webhook_and_a_second_rotation_keeps_both_secrets(
    admin: Browser, clock: Clock
) -> None:
    for _ in range(2):
        assert "whsec_" in add(admin, idempotency_key="once")
    clock.turn_on(minutes=1)
    answers = [admin.post("/webhooks/1/secret", on="/webhooks/1") for _ in range(2)]

    assert [answer.location for answer in answers] == ["/webhooks/1/secret"] * 2
    assert "The old secret is valid until 11/" in admin.says("/webhooks/1/secret")
    assert admin.get("/webhooks/2").status_code == 404


def test_faults_appear_at_their_fields_and_nothing_is_added(admin: Browser) -> None:
    answer = admin.post("/webhooks", on="/webhooks", url="http://pm.example/", events="job.completed")
    assert (answer.status_code, "begins with https://" in answer.text) == (422, True)

    answer = admin.post("/webhooks", on="/webhooks", url=URL)

    assert (answer.status_code, "Choose at least one event." in answer.text) == (422, True)
    assert "No webhooks yet." in admin.says("/webhooks")


def test_an_administrator_changes_tests_and_deletes_a_webhook(practice: GivenPractice, admin: Browser) -> None:
    add(admin)
    admin.post("/webhooks/1", on="/webhooks/1", url=f"{URL}2", events=["job.halted"])
    assert "https://pm.example/hook2 job.halted Off" in admin.says("/webhooks")

    admin.post("/webhooks/1/test", on="/webhooks/1")
    assert "evt_1 webhook.test Test event" in admin.says("/webhooks/1")
    waiting = admin.get("/webhooks/1", **{"X-Live": "1"})
    assert ('data-state="deliveries" data-moving' in waiting.text, "<html" in waiting.text) == (True, False)
    practice.sql("UPDATE outbox SET state = 'sent', tries = 1, last_result = 'HTTP 204'")
    sent = admin.get("/webhooks/1", **{"X-Live": "1"})
    assert ("HTTP 204" in sent.text, "data-moving" in sent.text) == (True, False), "the page asks no more"
    admin.post("/webhooks/1/deliveries/1/again", on="/webhooks/1")
    admin.post("/webhooks/1/delete", on="/webhooks/1")

    assert "No webhooks yet." in admin.says("/webhooks")
    assert admin.get("/webhooks/1").status_code == 404


def test_a_delivery_of_another_webhook_is_not_found(practice: GivenPractice, admin: Browser) -> None:
    add(admin)
    add(admin)
    practice.act(webhooks.send_test, 1, by=admin.actor)

    assert admin.post("/webhooks/2/deliveries/1/again", on="/webhooks/2").status_code == 404

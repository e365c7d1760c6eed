"""The pages of webhooks: faults at their fields, the secret once, and the delivery log."""

from core.notices import webhooks
from tests.factories import GivenPractice
from tests.webui.conftest import Browser

URL = "https://pm.example/hook"


def add(admin: Browser, **fields: object) -> str:
    answer = admin.post("/webhooks", on="/webhooks", **{"url": URL, "events": ["job.completed"], **fields})
    assert answer.status_code == 201, answer.text
    return answer.text


def test_the_secret_is_shown_once_and_never_again(admin: Browser) -> None:
    page = add(admin)

    assert "whsec_" in page
    assert not any("whsec_" in admin.read(path) for path in ("/webhooks", "/webhooks/1", "/audit"))
    assert "whsec_" in admin.post("/webhooks/1/secret", on="/webhooks/1").text


def test_faults_appear_at_their_fields_and_nothing_is_added(admin: Browser) -> None:
    answer = admin.post("/webhooks", on="/webhooks", url="http://pm.example/", events="job.completed")
    assert (answer.status_code, "begins with https://" in answer.text) == (422, True)

    answer = admin.post("/webhooks", on="/webhooks", url=URL)

    assert (answer.status_code, "Choose at least one event." in answer.text) == (422, True)
    assert "No webhooks yet." in admin.says("/webhooks")


def test_an_administrator_changes_tests_and_deletes_a_webhook(admin: Browser) -> None:
    add(admin)
    admin.post("/webhooks/1", on="/webhooks/1", url=f"{URL}2", events=["job.halted"])
    assert "https://pm.example/hook2 job.halted Off" in admin.says("/webhooks")

    admin.post("/webhooks/1/test", on="/webhooks/1")
    assert "evt_1 webhook.test Test event" in admin.says("/webhooks/1")
    admin.post("/webhooks/1/deliveries/1/again", on="/webhooks/1")
    admin.post("/webhooks/1/delete", on="/webhooks/1")

    assert "No webhooks yet." in admin.says("/webhooks")
    assert admin.get("/webhooks/1").status_code == 404


def test_a_delivery_of_another_webhook_is_not_found(practice: GivenPractice, admin: Browser) -> None:
    add(admin)
    add(admin)
    practice.act(webhooks.send_test, 1, by=admin.actor)

    assert admin.post("/webhooks/2/deliveries/1/again", on="/webhooks/2").status_code == 404

"""Views on the feed page, and a patient's name, which stands in no address and no log line."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from core.access.permissions import Actor
from core.enums.people import Role
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser


@pytest.fixture
def two_patients(practice: GivenPractice) -> GivenPractice:
    ana, bo = practice.patient("Ortiz, Ana"), practice.patient("Berg, Bo")
    for number, patient in (("A1", ana), ("A2", ana), ("B1", bo)):
        practice.claim(number, Line(0, 10_00), patient_id=patient)
    return practice


def apply(browser: Browser, **fields: str | list[str]) -> str:
    """Send the filter form. Return the address that it leads to."""
    answer = browser.post("/claims", on="/claims", **fields)
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def rows(page: str) -> list[str]:
    return re.findall('data-claim="([^"]+)"', page)


def heads(page: str) -> list[str]:
    return re.findall('data-column="([^"]+)"', page)


def test_a_patients_name_is_posted_and_no_address_contains_it(
    two_patients: GivenPractice, biller: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    address = apply(biller, patient="ortiz", total_due_min="1.00", sort="claim", limit="100")

    page = biller.read(address)
    assert "ortiz" not in address.lower()
    assert rows(page) == ["A1", "A2"]
    assert 'name="patient" value="ortiz"' in page
    links = [unescape(link) for link in re.findall('(?:href|action)="([^"]+)"', biller.get(address).text)]
    assert [link for link in links if "ortiz" in link.lower()] == []
    key = re.findall("patient_key=[^&]+", address)[0]
    for start in ("/claims?", "/feed/export.csv?"):
        assert any(link.startswith(start) and key in link for link in links)
    assert biller.read(f"/feed/export.csv?{address.partition('?')[2]}").count("Ortiz") == 2
    assert '"claims": 2' in biller.read(f"/feed/totals?{address.partition('?')[2]}")
    assert "ortiz" not in caplog.text.lower()


def test_the_same_name_has_the_same_address_and_paging_keeps_it(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(60)
    practice.claim("D", Line(0, 1_00), patient_id=practice.patient("Ortiz, Ana"))
    address = apply(biller, patient="the patient", sort="claim")

    assert apply(biller, patient="the patient", sort="claim") == address
    after = " ".join(biller.read(address).split()).split('rel="next" href="')[1].split('"')[0]
    assert rows(biller.read(address)) + rows(biller.read(after)) == [f"C{number:05}" for number in range(1, 61)]


def test_an_old_address_with_a_name_leads_to_one_without(two_patients: GivenPractice, biller: Browser) -> None:
    answer = biller.get("/claims?patient=ortiz")

    assert answer.status_code == 302
    assert "ortiz" not in answer.headers["Location"]
    assert rows(biller.read(answer.headers["Location"])) == ["B1", "A2", "A1"][1:]


@pytest.mark.parametrize("path", ["/claims", "/feed/totals", "/feed/counts", "/feed/export.csv"])
def test_an_unknown_key_of_a_patient_selects_no_claims(two_patients: GivenPractice, biller: Browser, path: str) -> None:
    answer = biller.get(f"{path}?patient_key=forged")

    assert answer.status_code == 422
    assert "Enter the name again" in answer.text
    assert rows(answer.text) == []
    assert "Ortiz" not in answer.text


def test_a_wrong_field_of_the_posted_filter_is_marked_and_the_name_stays(
    two_patients: GivenPractice, biller: Browser
) -> None:
    answer = biller.post("/claims", on="/claims", patient="ortiz", total_due_min="x")

    assert answer.status_code == 422
    assert 'id="total_due_min-fault"' in answer.text
    assert 'name="patient" value="ortiz"' in answer.text


def test_a_view_is_saved_opened_changed_and_deleted(two_patients: GivenPractice, biller: Browser) -> None:
    query = "patient=ortiz&sort=-claim"
    biller.post("/feed/columns", on="/claims", column=["total_due", "office"], **{"width-office": "90"}, query=query)
    saved = biller.post("/feed/views", on="/claims", name="Ana <b>", query=query)

    opened = biller.get(saved.headers["Location"]).headers["Location"]
    page = biller.read(opened)
    assert "ortiz" not in opened
    assert rows(page) == ["A2", "A1"]
    assert heads(page) == ["claim_id", "total_due", "office"]
    assert 'data-width="90"' in page
    assert "View: <bdi>Ana <b></bdi>" in page

    view = saved.headers["Location"]
    biller.post("/feed/columns", on="/claims", column=["office", "total_due"], query="view=1&sort=claim")
    assert heads(biller.read("/claims?view=1")) == ["claim_id", "office", "total_due"]
    assert "Unsaved columns Save to view" in biller.says("/claims?view=1")
    assert heads(biller.read("/claims?view=0"))[1] == "patient_name"
    biller.post(view, on="/claims", query="view=1&sort=claim")
    page = biller.read(biller.get(view).headers["Location"])
    assert (heads(page), rows(page)) == (["claim_id", "office", "total_due"], ["A1", "A2", "B1"])

    biller.post(f"{view}/name", on="/claims", name="Ours", query="view=1")
    assert "<bdi>Ours</bdi>" in biller.read("/claims?view=1")
    biller.post(f"{view}/delete", on="/claims", query="view=1&sort=claim")
    assert biller.get(view).status_code == 404
    assert "View: <bdi>Standard</bdi>" in biller.read("/claims?view=1")


def test_opening_a_view_shows_it_as_it_was_saved(two_patients: GivenPractice, biller: Browser) -> None:
    biller.post("/feed/views", on="/claims", name="Mine", query="")
    biller.post("/feed/columns", on="/claims", column=["office"], query="view=1")

    page = biller.read(biller.get("/feed/views/1").headers["Location"])

    assert heads(page)[:3] == ["claim_id", "patient_name", "service_date"]
    assert "Your changed columns were not saved" in page
    assert "Unsaved columns" not in page
    assert "Your changed columns" not in biller.read(biller.get("/feed/views/1").headers["Location"])


def test_the_standard_view_shows_the_standard_columns(two_patients: GivenPractice, biller: Browser) -> None:
    biller.post("/feed/columns", on="/claims", column=["office"], query="")
    assert "Unsaved columns Discard" in biller.says("/claims")
    biller.post("/feed/columns", on="/claims", discard="1", query="")
    assert heads(biller.read("/claims"))[1] == "patient_name"

    biller.post("/feed/columns", on="/claims", column=["office"], query="")
    biller.post("/feed/views", on="/claims", name="Offices", shared="true", query="")
    assert heads(biller.read("/claims?view=1")) == ["claim_id", "office"]

    standard = biller.get("/feed/views/0").headers["Location"]
    assert standard == "/claims?view=0"
    assert heads(biller.read(standard))[1] == "patient_name"


def test_a_column_is_moved_without_javascript(two_patients: GivenPractice, biller: Browser) -> None:
    shown = ["patient_name", "office", "total_due"]

    biller.post("/feed/columns", on="/claims", column=shown, move="up:total_due", query="")
    assert heads(biller.read("/claims")) == ["claim_id", "patient_name", "total_due", "office"]
    biller.post("/feed/columns", on="/claims", standard="1", query="")
    assert len(heads(biller.read("/claims"))) > 10


def test_the_feed_opens_in_the_default_view_and_other_addresses_do_not(
    two_patients: GivenPractice, biller: Browser
) -> None:
    biller.post("/feed/views", on="/claims", name="Mine", query="sort=claim&total_due_min=1.00")
    biller.post("/feed/views/1/default", on="/claims", default="true", query="")

    answer = biller.get("/claims")
    assert answer.headers["Location"] == "/feed/views/1"
    assert biller.get("/feed/views/1").headers["Location"] == "/claims?total_due_min=1.00&sort=claim&view=1"
    assert "View: <bdi>Standard</bdi>" in biller.read("/claims?view=0")

    biller.post("/feed/views/1/default", on="/claims?view=0", default="false", query="")
    assert biller.get("/claims").status_code == 200


def test_a_shared_view_is_offered_to_colleagues_who_cannot_change_it(
    two_patients: GivenPractice, biller: Browser, browser_of: Callable[[Actor], Browser]
) -> None:
    biller.post("/feed/views", on="/claims", name="Ours", shared="true", query="sort=claim")
    colleague = browser_of(two_patients.person("colleague@lakeside.example", Role.BILLER))

    page = colleague.read("/claims?view=1")

    assert "shared with you" in page
    assert "/feed/views/1/default" in colleague.forms("/claims?view=1")
    assert "/feed/views/1/delete" not in colleague.forms("/claims?view=1")
    assert colleague.post("/feed/views/1/delete", on="/claims?view=1", query="").status_code == 403
    colleague.post("/feed/views/1/default", on="/claims?view=1", query="", default="true")
    asked = " ".join(biller.read("/claims?view=1").split())
    assert "Every user of your practice loses this shared view. It is the default view of 1 other user." in asked
    taken = biller.post("/feed/views", on="/claims", name="ours", query="sort=claim")
    assert "already has a view with this name" in biller.says(taken.headers["Location"])


def test_a_schedule_from_a_filter_and_links_of_jobs_keep_the_name_out_of_addresses(
    two_patients: GivenPractice, browser_of: Callable[[Actor], Browser]
) -> None:
    admin = browser_of(two_patients.person("admin@lakeside.example", Role.ADMIN))
    address = apply(admin, patient="ortiz")
    assert 'name="patient" value="ortiz"' in admin.read(f"/schedules/new?{address.partition('?')[2]}")

    job = two_patients.settle({"filter": {"patient": "ortiz"}})

    page = f"/jobs/{job.job_id}"
    assert [link for link in admin.links(page) if "ortiz" in link] == []
    assert "/claims" in admin.forms(page)
    assert '<input type="hidden" name="patient" value="ortiz">' in admin.read(page)


def test_all_claims_of_a_patients_name_are_selected(two_patients: GivenPractice, biller: Browser) -> None:
    fields = {"scope": "matching", "filter": "patient=ortiz", "claim_ids": "[]"}

    assert '"words": "2"' in biller.post("/feed/selection", on="/claims", **fields).text


def test_a_name_typed_beside_the_key_of_another_gets_its_own_key(practice: GivenPractice, biller: Browser) -> None:
    def key_of(address: str) -> str:
        return re.findall("patient_key=[^&]+", biller.get(address).headers["Location"])[0]

    smith, jones = (key_of(f"/claims?patient={name}") for name in ("Smith", "Jones"))

    assert smith != jones
    assert key_of(f"/claims?{smith}&patient=Jones") == key_of(f"/claims?patient=Jones&{smith}") == jones


def test_only_the_default_view_can_stop_being_the_default(practice: GivenPractice, admin: Browser) -> None:
    first, second = (admin.post("/feed/views", name=name, query="").headers["Location"] for name in ("One", "Two"))
    admin.post(f"{first}/default", default="true")

    admin.post(f"{second}/default", default="false")
    assert admin.get("/claims").headers["Location"] == first

    admin.post(f"{first}/default", default="false")
    assert admin.get("/claims").status_code == 200

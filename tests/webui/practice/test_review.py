"""The page of the weekly review: a flood of findings hides none, and an address tells users with one name apart."""

from sqlalchemy import select

from core.access import audit
from core.access.audit import Subject
from core.models.people import User
from tests.factories import NOW, GivenPractice
from tests.webui.conftest import Browser


def test_a_flood_of_findings_hides_none(practice: GivenPractice, admin: Browser) -> None:
    hooks = [(Subject.of("webhook", number, practice_id=practice.id), {}) for number in range(1, 203)]
    with practice.sessions.begin() as session:
        audit.record_all(session, "webhook.deleted", hooks, by=admin.actor, now=NOW)
        session.scalars(select(User).where(User.id == practice.biller.user_id)).one().name = "admin"
    practice.claims(1)
    practice.post("C00001", 5_00)

    shown = admin.says(f"/review?week={NOW.date()}")
    assert "A finding is listed at its latest event" in shown

    assert "200 of 202, largest or newest first Show all" in shown
    assert ("Deleted webhook 202 " in shown, "Deleted webhook 1 " in shown) == (False, True)
    assert "admin (biller@lakeside.example)" in shown
    assert "Deleted webhook 202 " in admin.says(f"/review?week={NOW.date()}&all=yes")

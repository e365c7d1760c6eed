"""The Balance Writeoff setting: its current value, who changed it, and when."""

import datetime as dt

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.access import passwords, users
from core.access.permissions import Actor
from core.db.engine import Sessions
from core.enums.job_items import Verdict
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import NotAllowed, NotFound
from core.intake.sample.make_sample import make_sample
from core.models.claims import Claim
from core.models.people import AuditEntry
from core.models.practices import Provider
from core.practices import write_off_setting
from core.practices.write_off_setting import SettingNotChosen
from tests.factories import Line, a_practice

NOW = dt.datetime(2025, 3, 3, 15, 0, tzinfo=dt.UTC)
NEITHER, BOTH, PATIENT = WriteOffSetting.NEITHER, WriteOffSetting.BOTH, WriteOffSetting.PATIENT


@pytest.fixture
def practice_id(engine: Engine) -> int:
    return make_sample(engine, practice_name="Hill Clinic", claims=20, seed=1, now=NOW)


@pytest.fixture
def provider(session: Session, practice_id: int) -> str:
    found = session.query(Provider).filter_by(practice_id=practice_id).order_by(Provider.id).first()
    assert found is not None
    return found.external_id


def make_actor(session: Session, practice_id: int, role: Role) -> Actor:
    email, password = f"{role}@example.org", passwords.generate_password()
    user = users.add_user(
        session, practice_id=practice_id, email=email, name=f"The {role}", role=role, password=password, now=NOW
    )
    return users.actor_for(user)


def test_a_changed_setting_shows_user_and_time_and_is_audited(session: Session, practice_id: int) -> None:
    admin = make_actor(session, practice_id, Role.ADMIN)

    write_off_setting.set_for_practice(session, practice_id=practice_id, setting=PATIENT, by=admin, now=NOW)

    current = write_off_setting.overview(session, practice_id)
    assert (current.setting, current.changed_by, current.changed_at) == (PATIENT, "The admin", NOW)
    entry = session.query(AuditEntry).filter_by(act="write_off_setting.changed").one()
    assert (entry.user_id, entry.facts) == (admin.user_id, {"from": "both", "to": "patient"})


def test_choosing_the_current_setting_changes_nothing(session: Session, practice_id: int) -> None:
    admin = make_actor(session, practice_id, Role.ADMIN)
    write_off_setting.set_for_practice(session, practice_id=practice_id, setting=BOTH, by=admin, now=NOW)

    assert write_off_setting.overview(session, practice_id).changed_at is None
    assert session.query(AuditEntry).filter_by(act="write_off_setting.changed").count() == 0


def test_a_provider_can_override_the_setting_and_return_to_the_practices_default(
    session: Session, practice_id: int, provider: str
) -> None:
    admin = make_actor(session, practice_id, Role.ADMIN)

    def choose(setting: WriteOffSetting | None) -> write_off_setting.ProviderSetting:
        write_off_setting.set_for_provider(
            session, practice_id=practice_id, provider_external_id=provider, setting=setting, by=admin, now=NOW
        )
        overview = write_off_setting.overview(session, practice_id)
        assert overview.setting is BOTH
        return next(one for one in overview.providers if one.external_id == provider)

    assert (choose(NEITHER).setting, choose(NEITHER).changed_by) == (NEITHER, "The admin")
    assert choose(None).setting is None
    changes = session.query(AuditEntry).filter_by(act="write_off_setting.changed").order_by(AuditEntry.id)
    assert [change.facts for change in changes] == [{"from": None, "to": "neither"}, {"from": "neither", "to": None}]


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_an_administrator_changes_the_setting(
    session: Session, practice_id: int, provider: str, role: Role
) -> None:
    other = make_actor(session, practice_id, role)

    with pytest.raises(NotAllowed):
        write_off_setting.set_for_practice(session, practice_id=practice_id, setting=NEITHER, by=other, now=NOW)
    with pytest.raises(NotAllowed):
        write_off_setting.set_for_provider(
            session, practice_id=practice_id, provider_external_id=provider, setting=NEITHER, by=other, now=NOW
        )


def test_a_provider_of_another_practice_is_not_found(session: Session, engine: Engine, practice_id: int) -> None:
    other = make_sample(engine, practice_name="Other", claims=5, seed=2, now=NOW)
    session.query(Provider).filter_by(practice_id=practice_id).update(
        {Provider.external_id: "mine-" + Provider.external_id}
    )
    mine = session.query(Provider).filter_by(practice_id=practice_id).first()
    assert mine is not None
    admin = make_actor(session, other, Role.ADMIN)

    with pytest.raises(NotFound):
        write_off_setting.set_for_provider(
            session, practice_id=other, provider_external_id=mine.external_id, setting=NEITHER, by=admin, now=NOW
        )
    with pytest.raises(NotFound):
        write_off_setting.set_for_practice(session, practice_id=-1, setting=NEITHER, by=admin, now=NOW)
    with pytest.raises(NotFound):
        write_off_setting.overview(session, -1)


def test_a_changed_setting_changes_no_claim(session: Session, sessions: Sessions, practice_id: int) -> None:
    before = {claim.id: claim.version for claim in session.query(Claim)}
    with sessions.begin() as other:
        admin = make_actor(other, practice_id, Role.ADMIN)
        write_off_setting.set_for_practice(other, practice_id=practice_id, setting=NEITHER, by=admin, now=NOW)
    session.expire_all()

    assert {claim.id: claim.version for claim in session.query(Claim)} == before


def test_neither_and_the_setting_of_one_provider_differ_as_choices(sessions: Sessions) -> None:
    practice = a_practice(sessions, write_off=None)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claim("1", Line(500, 0))
    practice.do(
        write_off_setting.set_for_provider,
        practice_id=practice.id, provider_external_id="1", setting=BOTH, by=admin, now=NOW,
    )  # fmt: skip

    with pytest.raises(SettingNotChosen):
        practice.preview()
    practice.do(write_off_setting.set_for_practice, practice_id=practice.id, setting=NEITHER, by=admin, now=NOW)

    assert practice.do(write_off_setting.overview, practice.id).is_chosen
    assert practice.item(practice.preview(), "1").verdict is Verdict.SETTLE


def test_a_practice_that_has_not_chosen_can_still_change_other_statuses(sessions: Sessions) -> None:
    practice = a_practice(sessions, write_off=None)
    practice.claim("1", Line(500, 0))

    job = practice.preview(target_status="Internal Review", reason=None)

    assert practice.item(job, "1").verdict is Verdict.SETTLE


def test_only_active_administrators_of_the_practice_are_named_as_choosers(sessions: Sessions) -> None:
    practice = a_practice(sessions, write_off=None)
    for email in ("zoe@lakeside.example", "ann@lakeside.example", "gone@lakeside.example"):
        practice.person(email, Role.ADMIN)
    practice.person("approver@lakeside.example", Role.APPROVER)
    practice.sql("UPDATE app_user SET active = false WHERE email LIKE 'gone%'")
    a_practice(sessions, name="Other").person("admin@other.example", Role.ADMIN)

    assert practice.do(write_off_setting.names_of_choosers, practice.id) == ["ann", "zoe"]

"""An import whose changes end a legal hold that an earlier import set: only an administrator applies them."""

from core.enums.claims import Hold
from core.enums.people import Role
from core.intake.uploads import commands
from core.intake.uploads.lifecycle import ImportKey
from tests.uploads import Uploads
from tests.webui.conftest import Browser

ENDS = "1 change ends a legal hold. Only an administrator can apply it. Other users apply only the rest."


def test_a_biller_applies_the_other_changes_and_an_administrator_ends_the_hold(
    biller: Browser, uploads: Uploads
) -> None:
    practice = uploads.practice
    uploads.imported(uploads.changed("claims.csv", "10001,none,", "10001,none,legal_hold"))
    held = next(number for number in ("184146026", "184146027") if practice.read(number).hold is Hold.LEGAL)
    changed = uploads.changed("patients.csv", "Sample, Petra", "Sample, Paula")
    uploads.checked(changed, key="second")
    assert ENDS in biller.says("/imports/2")

    biller.post("/imports/2/confirm", on="/imports/2", take_changes="true")
    uploads.work()

    shown = biller.says("/imports/2")
    assert "1 change that ends a legal hold was not applied. An administrator can import these files again." in shown
    assert practice.read(held).hold is Hold.LEGAL
    uploads.checked(changed, key="third")
    biller.post("/imports/3/confirm", on="/imports/3", take_changes="true")
    assert "Every change in these files ends a legal hold." in biller.says("/imports/3")

    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.act(commands.confirm, ImportKey(practice.id, 3), take_changes=True, by=admin)
    uploads.work()
    assert practice.read(held).hold is None

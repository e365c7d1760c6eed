"""Claim acknowledgments (277CA): a rejected claim shows as Rejected, and no status moves back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from core.db.engine import transaction
from core.intake.loading.imported import AS_NEW
from tests.core.intake.x12.conftest import X12Files
from tests.waiting import eventually
from tests.x12_files import PLAIN, acknowledgment, claim_loop

CLEARINGHOUSE = "NM1*AY*2*EXAMPLE HOUSE*****46*54321"


def status(x12: X12Files, number: str = "A1") -> str:
    return x12.claim(number).primary_status.value


def test_an_acknowledgment_sets_the_status_with_its_old_value_in_the_audit_log(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop("A1"), claim_loop("A2"), claim_loop("A3")))
    file = x12.write(
        "status.277", PLAIN.write(acknowledgment(("A1", "A2"), ("A2", "A7"), ("A3", "A1"), ("NONE", "A7")))
    )

    checked = x12.load(file, options=replace(AS_NEW, check_only=True))
    assert status(x12) == "In Process at Clearinghouse", "a check changes nothing"
    done = x12.load(file)

    assert checked.x12 == done.x12
    assert not checked.adds_nothing
    assert done.x12 is not None
    assert done.x12["sent"]["acknowledged"]["changed"] == {
        "In Process at Payer": 1, "Payer Acknowledged": 1, "Rejected": 1
    }  # fmt: skip
    notes = done.x12["sent"]["notes"]
    assert notes[0].endswith("1 In Process at Payer, 1 Payer Acknowledged, 1 Rejected.")
    assert done.warnings == [
        "Claim acknowledgments for 1 unknown claim: NONE. They are kept and take effect when the claim is imported."
    ]
    assert [status(x12, one) for one in ("A1", "A2", "A3")] == ["Payer Acknowledged", "Rejected", "In Process at Payer"]
    assert x12.rows("SELECT number, old, new FROM import_change ORDER BY number")[1] == (
        "A2", "In Process at Clearinghouse", "Rejected"
    )  # fmt: skip
    assert x12.claim("A2").version == 2
    assert x12.load(file).nothing_new


def test_claims_and_their_acknowledgments_may_come_in_one_import(x12: X12Files) -> None:
    answer = x12.write("a.277", PLAIN.write(acknowledgment(("A1", "A7"))))

    done = x12.load(answer, x12.sent(claim_loop()))

    assert (status(x12), x12.claim("A1").version) == ("Rejected", 1)
    assert done.warnings == []


def test_the_public_sample_rejects_its_claim(x12: X12Files, samples: Path) -> None:
    sample = x12.write("sample.277", (samples / "277ca" / "cosyte-canonical.277ca").read_text("latin-1"))
    rejected = "CLAIM-TRACE-REJECT-001"
    first = x12.load(sample)
    assert first.warnings[0].startswith(f"Claim acknowledgments for 1 unknown claim: {rejected}. They are kept")
    assert (first.adds_nothing, x12.load(sample).adds_nothing) == (False, True)

    x12.load(x12.sent(claim_loop(rejected)))

    assert status(x12, rejected) == "Rejected", "kept until the claim came"
    assert x12.rows("SELECT claim_number FROM waiting_acknowledgment") == []


def test_all_claims_are_locked_in_one_order_before_anything_is_written(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop("A1"), claim_loop("A2")))
    answer = x12.write("a.277", PLAIN.write(acknowledgment(("A1", "A7"))))
    copy = x12.sent(claim_loop("A2", order="S", other="P"), name="secondary.837", at="1000")
    lock = "SELECT pg_backend_pid() FROM claim WHERE external_id = :claim FOR NO KEY UPDATE NOWAIT"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE {} = ANY (pg_blocking_pids(pid))"

    with ThreadPoolExecutor(1) as pool, transaction(x12.sessions) as job:
        pid = job.scalar(text(lock), {"claim": "A1"})
        done = pool.submit(x12.load, answer, copy, options=replace(AS_NEW, take_changes=True))
        eventually(lambda: x12.rows(waits.format(pid)) == [(1,)])
        assert job.scalar(text(lock), {"claim": "A2"}), "the import holds no later claim while it waits"
        job.commit()
        done.result()

    assert (status(x12), x12.claim("A2").secondary_status) == ("Rejected", "In Process at Clearinghouse")


def test_a_status_never_moves_back(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop("A1"), claim_loop("A2")))
    rejected = x12.write("b.277", PLAIN.write(acknowledgment(("A1", "A7"), day="20260108")))
    accepted = x12.write("a.277", PLAIN.write(acknowledgment(("A1", "A2"), ("A2", "A2"), day="20260106")))
    received = x12.write("c.277", PLAIN.write(acknowledgment(("A2", "A1"), day="20260109", payer=CLEARINGHOUSE)))

    x12.load(rejected, accepted)
    x12.load(accepted)
    x12.load(received)
    assert (status(x12, "A1"), status(x12, "A2")) == ("Rejected", "Payer Acknowledged")

    with transaction(x12.sessions) as session:
        session.execute(text("UPDATE claim SET primary_status = 'ERA Received' WHERE external_id = 'A2'"))
    x12.load(x12.write("d.277", PLAIN.write(acknowledgment(("A2", "A7"), ("A1", "A2"), day="20260110"))))
    assert (status(x12, "A1"), status(x12, "A2")) == ("Payer Acknowledged", "ERA Received")


def test_the_status_belongs_to_the_payer_that_gave_it(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop()), x12.sent(claim_loop(order="S", other="P"), name="secondary.837", at="1000"))
    second = acknowledgment(("A1", "A7"), payer="NM1*PR*2*SECOND PLAN*****PI*67890")

    x12.load(x12.write("a.277", PLAIN.write(second)))

    claim = x12.claim("A1")
    assert (claim.primary_status, claim.secondary_status) == ("In Process at Clearinghouse", "Rejected")

"""X12 files that cannot be imported are refused with the place and the fix. Public samples import to the cent."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from core.intake.loading.imported import ImportOptions
from tests.core.intake.x12.conftest import X12Files
from tests.remittances import clp, svc
from tests.x12_files import PLAIN, acknowledgment, claim_loop, interchange, remittance, sent_file

GOOD = PLAIN.write(sent_file(claim_loop()))
ANSWER = clp("A1", "60", "40", svc("60", "40", "CO*45*10", "PR*2*10", code="HC:99211:25"), patient="10")
PAID = PLAIN.write(interchange([remittance([ANSWER], paid="40")]))
# Claims, lines and charges by figures that another reader gave.
SAMPLES = {
    "cosyte-p-canonical.837": (1, 1, 150_00),
    "lfh-4010-coordination-of-benefits.837": (1, 3, 79_04),
    "lfh-4010-patient-is-dependent.837": (1, 4, 100_00),
    "lfh-i-institutional-claim.837": (1, 2, 89_93),
    "lfh-i-two-claims-single-provider.837": (2, 3, 139_95),
    "lfh-p-demo.autoaccident.837": (1, 2, 185_00),
    "lfh-p-demo.cob.example3.A.837": (1, 3, 79_04),
    "lfh-p-demo.drug.example10.1.837": (1, 2, 103_37),
    "lfh-p-demo.example1.837": (1, 4, 100_00),
    "lfh-p-demo.example2.837": (1, 4, 100_00),
}
REFUSED_SAMPLES = ("cosyte-p-comprehensive.837", "cosyte-p-edge-cases.837", "cosyte-p-with-patient-hl.837")


def as_production(sample: Path) -> str:
    """Return a sample without its mark as a test."""
    return sample.read_bytes().decode("latin-1").replace("*T*:~", "*P*:~", 1)


def test_public_samples_import_to_the_cent_and_only_once(x12: X12Files, samples: Path) -> None:
    for name, (claims, lines, cents) in SAMPLES.items():
        file = x12.write(name, as_production(samples / "837" / name))
        done = x12.load(file, practice=name)  # the samples share claim numbers
        assert (done.added["claims"], done.added["lines"], done.new.charges.cents) == (claims, lines, cents), name
        assert x12.load(file, practice=name).nothing_new, name
    unsplit = x12.write("unsplit.837", as_production(samples / "837" / "lfh-p-demo.cob.2ndary.example4.837"))
    assert "an ID is missing" in x12.load(unsplit).warnings[0], "its separator is not the one that ISA16 declares"
    unbalanced = x12.load(x12.write("i.837", as_production(samples / "837" / "cosyte-i-canonical.837")))
    assert unbalanced.warnings[0].endswith("(claim $5,000.00, lines $2,280.00); ask the sender to correct it.")
    copy = x12.write("b.837", as_production(samples / "837" / "lfh-p-demo.cob.example3.B.837"))

    again = x12.load(copy, practice="lfh-p-demo.cob.example3.A.837")

    assert (again.added["claims"], again.added["patients"], again.added["postings"]) == (0, 0, 0)
    types = "SELECT DISTINCT claim_type FROM claim JOIN practice p ON p.id = practice_id WHERE name LIKE 'lfh-i-%'"
    assert x12.rows(types) == [("Institutional",)]
    total = [(sum(one[0] for one in SAMPLES.values()), sum(one[2] for one in SAMPLES.values()))]
    assert x12.rows("SELECT count(*), sum(billed)::bigint FROM claim") == total


@pytest.mark.parametrize("name", REFUSED_SAMPLES)
def test_a_sample_with_a_wrong_count_is_refused(x12: X12Files, samples: Path, name: str) -> None:
    faults = x12.faults(x12.write(name, as_production(samples / "837" / name)))

    assert "the count differs from the number of segments" in faults[0]
    assert "ask the sender for the whole file again" in faults[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD[: GOOD.index("SE*")], "the transaction ends without its SE segment; ask the sender for the whole file"),
        (
            GOOD.replace("*P*:~", "*T*:~", 1),
            "the file is marked as a test; send the production file (segment 1, ISA15)",
        ),
        (GOOD.replace("SAMPLE", "SAM\0LE", 1), "the file contains a NUL byte; save the file as plain text"),
        (GOOD.replace("NM1*82", "NM1*82" + "X" * 200_000, 1), "a segment is longer than 64 KB"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_fix(x12: X12Files, content: str, words: str) -> None:
    faults = x12.faults(x12.write("bad.837", content), x12.write("good.837", GOOD))

    assert len(faults) == 1
    assert faults[0].startswith("bad.837: ")
    assert words in faults[0]
    assert x12.rows("SELECT count(*) FROM practice") == [(0,)]


def test_a_file_alone_that_is_not_x12_is_refused_with_what_is_expected(x12: X12Files) -> None:
    [fault] = x12.faults(x12.write("bad.837", "hello"))

    words = "no ISA segment is in the first 64 KB; send an X12 file that begins with ISA"
    assert fault == f"bad.837: {words} (byte 1, it begins with byte 0x68)"


def test_a_claim_with_a_fault_is_left_out_and_named_by_its_place(x12: X12Files) -> None:
    wrong = [segment.replace("CLM*A2*100*", "CLM*A2*100.01*") for segment in claim_loop("A2")]
    undated = [segment for segment in claim_loop("A3") if not segment.startswith("DTP")]

    done = x12.load(x12.sent(claim_loop(), wrong, undated))

    assert done.added["claims"] == 1
    charge, date = done.warnings
    assert charge.startswith(
        "Not imported: 1 claim (A2). claims.837, segment 30, CLM02: the claim's charge differs from the"
    )
    assert charge.endswith("(claim $100.01, lines $100.00); ask the sender to correct it.")
    assert date.startswith("Not imported: 1 claim (A3). claims.837, segment ")
    assert date.endswith("DTP03: the claim has no date of service; ask the sender to correct it.")


def test_an_amount_in_an_unusual_form_is_read_with_a_warning_and_what_is_no_amount_is_held(x12: X12Files) -> None:
    usual = {"B1": "80", "B2": "80.00", "B3": "80.5", "B4": ".5", "B5": "0.50", "B6": "0"}
    unusual = {"C1": "080", "C2": "080.0", "C3": "80.", "C4": "80.0", "C5": "-0", "C6": "-0.00", "C7": "00"}
    refused = {"D1": "+80", "D2": "8e1", "D3": "80.000", "D4": "1,000", "D5": "(80)", "D6": "100000000", "D7": "$80"}
    read = {name: Decimal(text) for name, text in {**usual, **unusual}.items()}
    claims = [
        clp(name, "100", text, svc("100", text, f"CO*45*{100 - read.get(name, 0):.2f}", code="HC:99211:25"))
        for name, text in {**usual, **unusual, **refused}.items()
    ]
    x12.load(x12.sent(*(claim_loop(claim[0].split("*")[1], ["0100.0"]) for claim in claims), name="odd.837"))
    paid = remittance(claims, paid=str(sum(read.values())))

    done = x12.load(x12.write("era.835", PLAIN.write(interchange([paid]))))

    found = dict(x12.rows("SELECT claim_number, outcome || ' ' || reasons FROM remittance_claim"))
    assert {found[name] for name in usual} == {"posted []"}
    assert {found[name] for name in unusual} == {'warned ["unusual_amount"]'}
    assert {found[name] for name in refused} == {'held ["bad_amount"]'}
    for name, cents in read.items():
        assert x12.claim(name).primary_paid == cents * 100, name
    assert done.x12 is not None
    [held, odd] = done.x12["files"][0]["transactions"][0]["faults"]
    first, last = (1 + next(n for n, one in enumerate(paid) if one.startswith(f"CLP*{c}1*")) for c in "DC")
    assert (held["count"], odd["count"]) == (14, 14)  # in CLP and SVC
    assert held["sentence"].startswith(f"era.835, segment {first + 2}, CLP04: the value is not an amount in dollars")
    assert odd["sentence"] == (
        f"era.835, segment {last + 2}, CLP04: the amount has extra zeros, a point without decimals, or a minus sign "
        "before zero; no fix is needed."
    )


def test_a_transaction_that_is_cut_off_does_not_stop_the_others(x12: X12Files) -> None:
    cut = PLAIN.write(sent_file(claim_loop("A2")))

    done = x12.load(x12.write("two.837", GOOD + cut[: cut.index("SE*")]))

    assert done.added["claims"] == 1
    assert done.warnings[0].startswith("Not imported: 1 transaction. two.837, segment ")
    assert "ends without its SE segment" in done.warnings[0]


def test_a_remittance_is_posted_once_and_a_check_promises_what_the_import_does(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop("A1", ("60",))))
    paid = x12.write("paid.835", PAID)

    checked = x12.load(paid, options=ImportOptions(check_only=True))
    assert x12.rows("SELECT count(*) FROM remittance") == [(0,)]
    done = x12.load(paid)

    assert checked.x12 == done.x12
    assert done.x12
    assert done.x12["remittances"]["notes"] == [
        "Remittance T000001 of $40.00, 1 answer: 1 posted; payments $40.00, adjustments $10.00, to the patient $10.00."
    ]
    claim = x12.claim("A1")
    assert (claim.insurance_due, claim.patient_due, claim.primary_paid) == (0, 10_00, 40_00)
    again = x12.load(x12.write("other.835", PAID))
    assert again.nothing_new
    assert again.x12
    assert "nothing is posted again" in again.x12["remittances"]["notes"][0]
    assert x12.claim("A1").primary_paid == 40_00


def test_a_week_of_files_of_all_kinds_goes_in_at_once_claims_first(x12: X12Files) -> None:
    files = [
        x12.write("1-paid.835", PAID),
        x12.write("2-status.277", PLAIN.write(acknowledgment(("A1", "A2"), ("A2", "A7")))),
        x12.write("3-claims.837", PLAIN.write(sent_file(claim_loop("A1", ("60",)), claim_loop("A2")))),
        x12.write("4-both.txt", PAID + PLAIN.write(sent_file(claim_loop("A3")))),
    ]

    checked = x12.load(*files, options=ImportOptions(check_only=True))
    assert x12.rows("SELECT (SELECT count(*) FROM claim), (SELECT count(*) FROM remittance)") == [(0, 0)]
    assert checked.summary is None
    done = x12.load(*files)

    assert (checked.x12, checked.added, checked.new) == (done.x12, done.added, done.new)
    assert done.x12
    assert done.x12["notes"][0].startswith("Claims (837) go in first, then acknowledgments (277CA)")
    paid, twice = done.x12["remittances"]["notes"]
    assert paid.startswith("Remittance T000001 of $40.00, 1 answer: 1 posted; payments $40.00")
    assert re.search(r": \S+ repeats it from \S+; nothing is posted again", twice)
    assert [x12.claim(number).primary_status for number in ("A1", "A2", "A3")] == [
        "ERA Received", "Rejected", "In Process at Clearinghouse",
    ]  # fmt: skip
    assert (x12.claim("A1").insurance_due, x12.claim("A1").patient_due) == (0, 10_00)
    assert x12.load(*reversed(files)).nothing_new


def test_an_answer_without_its_claim_is_held_with_the_reason(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop("A2", ("60",))))

    done = x12.load(x12.write("paid.835", PAID))

    assert done.x12
    first, held = done.x12["remittances"]["notes"]
    assert first.endswith("1 answer: 1 held. Held because no claim of the practice has this number (1).")
    assert held.startswith("Held: 1 answer. Nothing of a held answer is posted.")

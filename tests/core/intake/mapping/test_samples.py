"""Five invented exports: each is understood without help, and its balances tie to the cent."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.books.invariants import violations
from core.intake.mapping.guess import guess_mapping
from core.models.claims import Claim
from core.models.ledger import Posting
from tests.core.intake.mapping.conftest import OfficeFiles
from tests.core.intake.mapping.samples import SAMPLES, Sample
from tests.factories import TODAY


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_an_export_is_understood_and_its_totals_tie(sample: Sample, office: OfficeFiles, tmp_path: Path) -> None:
    path = tmp_path / sample.name
    sample.write(path)

    guess = guess_mapping(path, today=TODAY)
    done = office.load(path)
    again = office.load(path)

    assert (guess.questions, guess.mapping.rows) == ([], sample.rows)
    assert done.added["claims"] == sample.claims
    assert (done.summary.insurance_balance_cents, done.summary.patient_balance_cents) == (
        sample.insurance_cents,
        sample.patient_cents,
    )
    assert again.nothing_new
    with office.sessions() as session:
        sums = select(func.sum(Claim.insurance_due), func.sum(Claim.patient_due))
        assert session.execute(sums).one() == (sample.insurance_cents, sample.patient_cents)
        posted = session.scalars(select(func.sum(Posting.amount_cents))).one()
        assert posted == sample.insurance_cents + sample.patient_cents
        assert violations(session) == []

"""Create a realistic practice of any size from a seed, for trials and measurements."""

import datetime as dt
from collections.abc import Iterator
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.access import audit
from core.db.engine import make_sessions, transaction
from core.enums.practices import WriteOffSetting
from core.intake.loading import stages
from core.intake.loading.insert import insert_claims, insert_reference_rows, sum_lines
from core.intake.parsing.folder import Progress
from core.intake.sample import sample_people
from core.intake.sample.sample_claims import Batch, SampleSize, batches
from core.intake.sample.sample_copies import copy_claims
from core.practices.create import DEFAULT_TIME_ZONE, create_practice

_BATCH_STAGES: Final = (stages.CLAIM, stages.LINE, stages.POSTING)
BATCH_CLAIMS: Final = 5_000  # some 40,000 rows in memory at a time, however large the sample is
CLAIMS_PER_PATIENT: Final = 5
DRAWN_CLAIMS_MAX: Final = 40_000  # the claims of a larger sample are copies of this many


def make_sample(
    engine: Engine, *, practice_name: str, claims: int, seed: int, now: dt.datetime, progress: Progress | None = None
) -> int:
    """Create the practice with `claims` claims in one transaction. Return its id.

    The same seed, number and day create the same practice. Raise `PracticeExists`. `progress` gets (what, done, total)
    after each batch.
    """
    today = now.astimezone(ZoneInfo(DEFAULT_TIME_ZONE)).date()
    world = SampleSize(
        claims=claims,
        patients=max(12, claims // CLAIMS_PER_PATIENT),
        billing_providers=min(60, 4 + claims // 2_000),
        supervising_providers=min(20, 2 + claims // 5_000),
        today=today,
    )
    random = Random(seed)  # noqa: S311 – a sample must be the same for the same seed
    with transaction(make_sessions(engine)) as session:
        # Sample data needs no protection, and one sign-in should be enough to try the product.
        practice_id = create_practice(
            session, name=practice_name, write_off=WriteOffSetting.BOTH, second_factor_required=False, now=now
        )
        stages.open_stages(session)
        _add_people(session, practice_id, random, world)
        done = 0
        for added in _add_claims(session, practice_id, random, world, now=now):
            done += added
            if progress is not None:
                progress("claims", done, claims)
        audit.record(session, "practice.sampled", audit.Subject.practice(practice_id), by=None, now=now, claims=claims)
        stages.refresh_statistics(session, "claim", "line_item", "posting")
    return practice_id


def _add_people(session: Session, practice_id: int, random: Random, world: SampleSize) -> None:
    stages.copy_rows(session, stages.OFFICE, sample_people.offices())
    stages.copy_rows(session, stages.PAYER, sample_people.payers())
    stages.copy_rows(
        session,
        stages.PROVIDER,
        sample_people.providers(random, billing=world.billing_providers, supervising=world.supervising_providers),
    )
    stages.copy_rows(session, stages.PATIENT, sample_people.patients(random, count=world.patients, today=world.today))
    insert_reference_rows(session, practice_id)
    stages.refresh_statistics(session, "office", "provider", "payer", "patient")


def _add_claims(
    session: Session, practice_id: int, random: Random, world: SampleSize, *, now: dt.datetime
) -> Iterator[int]:
    """Insert the claims. Yield the number in each batch."""
    drawn = batches(random, world._replace(claims=min(world.claims, DRAWN_CLAIMS_MAX)), claims_per_batch=BATCH_CLAIMS)
    if world.claims > DRAWN_CLAIMS_MAX:
        for batch in drawn:
            _stage(session, batch)
        sum_lines(session)
        yield from copy_claims(session, practice_id, world, seed=random.getrandbits(48), now=now)
        return
    for batch in drawn:
        _stage(session, batch)
        sum_lines(session)
        insert_claims(session, practice_id, source=None, now=now)
        stages.clear_stages(session, *_BATCH_STAGES)
        yield len(batch.claims)


def _stage(session: Session, batch: Batch) -> None:
    for stage, rows in zip(_BATCH_STAGES, (batch.claims, batch.lines, batch.postings), strict=True):
        stages.copy_rows(session, stage, rows)

"""Set the payer's status of claims from 277CA files. A rejected claim gets no remittance, so the feed must show it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, Date, Text, text
from sqlalchemy.orm import Session

from core.counting import counted
from core.intake.loading import stages
from core.intake.loading.post_rows import lock_claims
from core.intake.sent_claims.read_files import X12File, is_usable
from core.models.claims import Claim, ClaimStatus
from core.x12.acknowledgment import ClaimStatus as Acknowledgment
from core.x12.envelope_records import Kind, Opened
from core.x12.problems import Reach
from core.x12.read import read

LISTED_MAX: Final = 20

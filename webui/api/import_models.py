"""Imports as the API describes them."""

import datetime as dt
from typing import Annotated, Any

from pydantic import Field

from core.enums.imports import ImportSource, ImportStatus
from core.intake.synthea.synthea_import import Payments
from core.intake.uploads.receive import FILE_NAME_CHARACTERS_MAX, FILES_MAX
from core.models.imports import PIECE_BYTES_MAX
from core.money import CENTS_MAX
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body


class NewFile(Body):
    """A file to be sent."""

    name: Annotated[
        str, Field(max_length=FILE_NAME_CHARACTERS_MAX, description="File name without folders. May be a zip file")
    ]
    bytes: Annotated[int, Field(description="Size in bytes")]


class ImportOptions(Body):
    """How to read Synthea's files."""

    payments: Annotated[Payments, Field(strict=False)] = Payments.ALL
    skip_empty_claims: bool = False


class NewImport(Body):
    """The files to import."""

    files: Annotated[list[NewFile], Field(max_length=FILES_MAX)]
    source: Annotated[
        ImportSource | None, Field(strict=False, description="Kind of files; if null, the files decide")
    ] = None
    options: ImportOptions | None = None
    mapping: Annotated[
        str | dict[str, Any] | None,
        Field(description="For your own export: name or ID of a saved mapping, or the mapping itself"),
    ] = None
    expected_total_cents: Annotated[
        int | None,
        Field(
            ge=-CENTS_MAX,
            le=CENTS_MAX,
            description="A/R total that the practice expects: insurance plus patient balance",
        ),
    ] = None


class ChosenMapping(Body):
    """The mapping for your own export."""

    mapping: Annotated[str | dict[str, Any], Field(description="Name or ID of a saved mapping, or the mapping itself")]


class ExpectedTotal(Body):
    """The A/R total that the practice expects."""

    expected_total_cents: Annotated[int | None, Field(description="Null removes it")]


class ImportConfirmation(Body):
    """The confirmation of a checked import."""

    accept_difference: Annotated[
        bool, Field(description="Import even if the A/R total differs from the expected total")
    ] = False
    take_changes: Annotated[bool, Field(description="Also apply the `differences` to existing records")] = False
    post_corrections: Annotated[bool, Field(description="Also post the `corrections` for changed postings")] = False


class ImportFile(Answer):
    """An uploaded file."""

    name: str
    bytes: int
    sha256: Annotated[str | None, Field(description="Null until a worker has read the file")] = None


class ImportSummary(Answer):
    """An import without the report from its check."""

    id: Id
    status: ImportStatus
    status_words: Annotated[str, Field(description="The status as a sentence shows it, e.g. ready to import")]
    source: Annotated[
        ImportSource | None, Field(description="The requested kind of files; the report has the recognized kind")
    ]
    options: dict[str, Any]
    files: list[ImportFile]
    piece_bytes: Annotated[int, Field(description="Size of every piece of a file except the last")] = PIECE_BYTES_MAX
    expected_total_cents: int | None
    requested_by: str | None
    requested_at: dt.datetime
    phase: Annotated[str | None, Field(description="What a worker is doing, e.g. claims.csv")]
    phase_done: Annotated[int, Field(description="Bytes read")]
    phase_total: Annotated[int, Field(description="Bytes to read; 0 if unknown")]
    refused_because: Annotated[str | None, Field(description="Code for the reason why nothing was imported")]
    refused_words: Annotated[str | None, Field(description="The reason as a sentence")]
    checked_at: dt.datetime | None
    confirmed_by: str | None
    confirmed_at: dt.datetime | None
    finished_at: dt.datetime | None


class ImportAnswer(ImportSummary):
    """An import: its status, its progress, and what its check found."""

    difference_cents: Annotated[
        int | None, Field(description="The files' A/R total minus the expected one; null if one is unknown")
    ]
    report: Annotated[
        dict[str, Any] | None,
        Field(
            description="After the check: `read` and `ignored` files, and one of these: `faults` grouped by kind; the "
            "`guess` of a mapping; or `added` and `already_there` by kind of row, the control totals `in_file` and "
            "`new`, what is new `on_existing` claims, the first `new_postings` on them, `differences`, `corrections`, "
            "`first_claims`, `recognized` write-offs and manual postings (`cents`, `claims`, `postings`), which are "
            "not posted again, and `warnings` about the files. For X12 files, `x12` has their transactions. Before the "
            "import, its `forecast` of the A/R. After the import, or if it would "
            "move no balance, also its `agreement`: the A/R of these claims in the files and in Batch Settle",
        ),
    ]


class ImportsPage(Answer):
    """A page of imports, newest first."""

    imports: list[ImportSummary]
    next_cursor: str | None

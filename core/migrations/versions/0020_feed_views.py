"""Add the views of the feed and the names that its filter searched for. Copy the saved filters as shared views.

A filter that cannot be copied completely stays in the table of saved filters only.

The filter's patient now finds words in any order and without accents. Schedules get quotation marks around it, because
they must not settle more claims than before.

The table of saved filters stays, because the version before reads it on every page of the feed.
"""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LISTS: Final = {
    "billing_status", "claim_status", "office", "billing_provider", "supervising_provider", "patient_id", "eligibility",
}  # fmt: skip
_CENTS: Final = {
    "amount",
    *(f"{side}_due_{end}" for side in ("insurance", "patient", "total") for end in ("min", "max")),
}
_NUMBERS: Final = {"age_min_days", "age_max_days", "statements_sent_min", "statements_sent_max"}
_YES_NO: Final = {"has_primary", "has_secondary", "on_hold", "in_job"}
_YES_OR_NO: Final = {"true": True, "yes": True, "false": False, "no": False}
_OF_THE_PAGE: Final = {"limit", "cursor", "view"}  # they select no claims
_TEXTS: Final = {
    "claim_type", "payer", "payer_id", "primary_payer_id", "patient", "claim_id", "claim_id_part", "claim_id_prefix",
    "from", "to", "last_payment_before", "last_statement_before", "denied_from", "denied_to", "denial_group",
    "denial_carc",
}  # fmt: skip

_IN_SCHEDULES: Final = (
    "UPDATE schedule SET filter = jsonb_set(filter, '{{patient}}', to_jsonb({patient})) WHERE filter ? 'patient'"
)


def upgrade() -> None:
    op.create_table(
        "feed_view",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("content", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_feed_view")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_feed_view_practice_practice_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["app_user.id"], name=op.f("fk_feed_view_app_user_owner_id")),
    )
    op.create_index(
        "feed_view_name_is_unique_for_its_owner",
        "feed_view",
        ["practice_id", "owner_id", sa.text("lower(name)")],
        unique=True,
    )
    op.create_table(
        "default_feed_view",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("view_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_default_feed_view")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_default_feed_view_app_user_user_id")),
        sa.ForeignKeyConstraint(
            ["practice_id", "view_id"],
            ["feed_view.practice_id", "feed_view.id"],
            name=op.f("fk_default_feed_view_feed_view_practice_id_view_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "patient_search",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("searched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "token", name=op.f("pk_patient_search")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_patient_search_practice_practice_id")),
        sa.UniqueConstraint("practice_id", "name", name="patient_search_has_one_token"),
    )
    _copy_saved_filters()
    op.execute(_IN_SCHEDULES.format(patient="'\"' || (filter ->> 'patient') || '\"'"))


def downgrade() -> None:
    op.execute(_IN_SCHEDULES.format(patient="trim('\"' from filter ->> 'patient')"))
    op.drop_table("patient_search")
    op.drop_table("default_feed_view")
    op.drop_table("feed_view")


def _copy_saved_filters() -> None:
    connection = op.get_bind()
    add = sa.text(
        "INSERT INTO feed_view (practice_id, owner_id, name, shared, content, changed_at) "
        "VALUES (:practice, :owner, :name, true, CAST(:content AS jsonb), :at)"
    )
    rows = connection.execute(
        sa.text("SELECT practice_id, created_by, name, query, created_at FROM saved_filter ORDER BY practice_id, name")
    )
    taken: set[tuple[int, int, str]] = set()
    for practice, owner, name, query, at in rows.all():
        content = _content(query)
        if content is None:
            continue
        free = _free_name(name, lambda new, of=(practice, owner): (*of, new.lower()) in taken)
        taken.add((practice, owner, free.lower()))
        values = {"practice": practice, "owner": owner, "name": free, "content": json.dumps(content), "at": at}
        connection.execute(add, values)


def _free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return the name, with a number if another view of this owner has it in upper or lower case."""
    names = (name if number == 1 else f"{name} ({number})" for number in count(1))
    return next(new for new in names if not is_taken(new))


def _content(query: str) -> dict[str, Any] | None:
    """Return a saved filter as a view with the standard columns, or None if it cannot be copied completely.

    A view without one of its keys would be wider, and could settle other claims.
    """
    found: dict[str, Any] = {}
    sort = "recent"
    for key, value in parse_qsl(query):
        if key in _OF_THE_PAGE:
            continue
        if key == "sort":
            sort = "recent" if value == "-date" else value
        elif key in _LISTS:
            found.setdefault(key, []).append(value)
        elif key in _CENTS and re.fullmatch(r"-?[0-9]{1,13}(\.[0-9]{1,2})?", value):
            found[f"{key}_cents"] = int(Decimal(value) * 100)
        elif key in _NUMBERS and re.fullmatch("[0-9]{1,5}", value):
            found[key] = int(value)
        elif key in _YES_NO and value in _YES_OR_NO:
            found[key] = _YES_OR_NO[value]
        elif key in _TEXTS:
            found[key] = value
        else:
            return None
    return {"columns": [], "sort": sort, "filter": found}

"""Check the keys of claims, lines and postings as sets, once for each statement instead of once for each row.

A foreign key runs one query for each row and locks the row that it refers to. That took a third of the time of an
import and of a settled chunk. A trigger now checks all rows of a statement at once. It needs no lock, because the rows
that claims, lines and postings refer to can't be deleted or change their keys: another trigger refuses that. The names
of the constraints stay the same, also in error messages.

The previous version works unchanged. The migration locks nine tables for a moment and reads no row.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


class Key(NamedTuple):
    """A key: its columns after `practice_id`, and the columns of the row that it refers to."""

    table: str
    name: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    may_be_null: bool = False
    repeats: bool = False  # many rows of a statement have the same key


def _of_claim(column: str, parent: str, *, may_be_null: bool = False, repeats: bool = True) -> Key:
    return Key("claim", f"fk_claim_{parent}_practice_id_{column}", (column,), parent, ("id",), may_be_null, repeats)


KEYS: Final = (
    _of_claim("patient_id", "patient", repeats=False),
    _of_claim("office_id", "office"),
    _of_claim("billing_provider_id", "provider"),
    _of_claim("supervising_provider_id", "provider", may_be_null=True),
    _of_claim("primary_payer_id", "payer", may_be_null=True),
    _of_claim("secondary_payer_id", "payer", may_be_null=True),
    Key("line_item", "fk_line_item_claim_practice_id_claim_id", ("claim_id",), "claim", ("id",)),
    Key("posting", "posting_is_on_a_line", ("claim_id", "line"), "line_item", ("claim_id", "number")),
    Key("posting", "posting_names_a_job", ("job_id",), "settle_job", ("id",), may_be_null=True, repeats=True),
    Key("posting", "reversal_is_on_the_line_of_its_original", ("claim_id", "line", "reverses_id"), "posting",
        ("claim_id", "line", "id"), may_be_null=True),
)  # fmt: skip
# Implied by the key to the patient, which includes the practice.
IMPLIED: Final = "fk_claim_practice_practice_id"
# The tables whose rows and keys must not change. Postings have refused every change since migration 0001.
KEPT: Final = {
    "patient": ("id",), "office": ("id",), "provider": ("id",), "payer": ("id",), "settle_job": ("id",),
    "claim": ("id",), "line_item": ("claim_id", "number"),
}  # fmt: skip
CHANGEABLE: Final = tuple(key.columns[0] for key in KEYS if key.table == "claim")

_REFUSE: Final = """
CREATE FUNCTION refuse_lost_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps its rows and their keys: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""


def _is_same(key: Key) -> str:
    """Return the condition that a row of `parent` is the one that a row of `key` refers to."""
    return " AND ".join(
        f"parent.{theirs} = key.{own}"
        for theirs, own in zip(("practice_id", *key.parent_columns), ("practice_id", *key.columns), strict=True)
    )


def _missing(key: Key, rows: str) -> str:
    """Return the query for rows whose key refers to no row."""
    columns = ", ".join(("practice_id", *key.columns))
    known = " AND ".join(f"added.{own} IS NOT NULL" for own in key.columns) if key.may_be_null else "true"
    return (
        f"SELECT FROM (SELECT {'DISTINCT ' if key.repeats else ''}{columns} FROM {rows} AS added WHERE {known}) AS key "  # noqa: S608 – the names above
        f"WHERE NOT EXISTS (SELECT FROM {key.parent} AS parent WHERE {_is_same(key)})"
    )


def _refuse_if_missing(key: Key) -> str:
    return (
        f"    IF missing THEN\n"
        f"        RAISE EXCEPTION 'a row of {key.table} refers to a missing row of {key.parent}'\n"
        f"            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{key.name}', TABLE = '{key.table}',\n"
        f"            SCHEMA = TG_TABLE_SCHEMA;\n"
        "    END IF;"
    )


def _check(key: Key, rows: str, *, using: str = "") -> str:
    """Return the statements that check one key."""
    query = f"    EXECUTE $query$SELECT EXISTS ({_missing(key, rows)})$query$ INTO missing{using};"
    return f"{query}\n{_refuse_if_missing(key)}"


def _check_all(first: Key, others: Iterable[Key]) -> str:
    """Return the statements that check the keys of the rows `added`.

    The query for `first` also finds the optional keys that no row has. A query for each of these would read all rows.
    """
    optional = [key for key in others if key.may_be_null]
    found = ", ".join(f"bool_or(key.{key.columns[-1]} IS NOT NULL)" for key in optional)
    into = ", ".join(["missing", *(f"has_{key.columns[-1]}" for key in optional)])
    query = (
        f"    EXECUTE $query$SELECT bool_or(parent.practice_id IS NULL){', ' if found else ''}{found} FROM added AS key "  # noqa: S608 – the names above
        f"LEFT JOIN {first.parent} AS parent ON {_is_same(first)}$query$ INTO {into};"
    )
    checks = [f"{query}\n{_refuse_if_missing(first)}"]
    for key in others:
        check = _check(key, "added")
        checks.append(f"    IF has_{key.columns[-1]} THEN\n{check}\n    END IF;" if key in optional else check)
    return "\n".join(checks)


def _function(name: str, checks: str, schema: str, *flags: str) -> str:
    # EXECUTE plans each statement for its number of rows. Without it, a session keeps the plan of its first statement,
    # when the parent may have been small. Then each row would scan the parent.
    declared = " ".join(f"{flag} boolean;" for flag in ("missing", *flags))
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql\n"
        f'SET search_path = "{schema}", pg_temp SET jit = off\n'
        f"AS $$ DECLARE {declared} BEGIN\n{checks}\n    RETURN NULL;\nEND $$"
    )


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.execute(f"LOCK TABLE practice, {', '.join(KEPT)}, posting IN ACCESS EXCLUSIVE MODE")
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    op.execute(_REFUSE)
    for table, columns in KEPT.items():
        for moment in ("DELETE OR TRUNCATE", f"UPDATE OF practice_id, {', '.join(columns)}"):
            name = f"{table}_keeps_its_{'rows' if moment.startswith('DELETE') else 'keys'}"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {moment} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_lost_keys()"
            )
    for table in ("claim", "line_item", "posting"):
        first, *others = (key for key in KEYS if key.table == table)
        flags = [f"has_{key.columns[-1]}" for key in others if key.may_be_null]
        op.execute(_function(f"check_keys_of_{table}", _check_all(first, others), schema, *flags))
        op.execute(
            f"CREATE TRIGGER {table}_has_its_keys AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            f"FOR EACH STATEMENT EXECUTE FUNCTION check_keys_of_{table}()"
        )
    changed_keys = (_check(key, "(SELECT ($1).*)", using=" USING NEW") for key in KEYS if key.table == "claim")
    op.execute(_function("check_changed_keys_of_claim", "\n".join(changed_keys), schema))
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in CHANGEABLE)
    op.execute(
        f"CREATE TRIGGER claim_changes_to_known_keys AFTER UPDATE OF {', '.join(CHANGEABLE)} ON claim "
        f"FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION check_changed_keys_of_claim()"
    )
    op.drop_constraint(IMPLIED, "claim")
    for key in KEYS:
        op.drop_constraint(key.name, key.table)


def downgrade() -> None:
    for key in KEYS:
        op.create_foreign_key(
            key.name, key.table, key.parent, ["practice_id", *key.columns], ["practice_id", *key.parent_columns]
        )
    op.create_foreign_key(IMPLIED, "claim", "practice", ["practice_id"], ["id"])
    op.execute("DROP TRIGGER claim_changes_to_known_keys ON claim")
    op.execute("DROP FUNCTION check_changed_keys_of_claim()")
    for table in ("claim", "line_item", "posting"):
        op.execute(f"DROP TRIGGER {table}_has_its_keys ON {table}")
        op.execute(f"DROP FUNCTION check_keys_of_{table}()")
    for table in KEPT:
        op.execute(f"DROP TRIGGER {table}_keeps_its_rows ON {table}")
        op.execute(f"DROP TRIGGER {table}_keeps_its_keys ON {table}")
    op.execute("DROP FUNCTION refuse_lost_keys()")

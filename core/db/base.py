"""What all tables share: constraint names, column types and the fill factor."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from sqlalchemy import BigInteger, DateTime, Enum, ForeignKey, Identity, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, declared_attr, mapped_column

from core.snake_case import snake_case

# A chunk updates whole pages at once. An update stays in its page (HOT) only if the page is less than half full:
# measured 13% HOT at 90, 93% at 50, 100% at 45.
FILL_FACTOR: Final = {"postgresql_with": {"fillfactor": 45}}

PracticeId = Annotated[int, mapped_column(BigInteger, primary_key=True)]
OfPractice = Annotated[int, mapped_column(BigInteger, ForeignKey("practice.id"), primary_key=True)]  # and refers to it
UserId = Annotated[int, mapped_column(BigInteger, ForeignKey("app_user.id"))]
GeneratedId = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
BigInt = Annotated[int, mapped_column(BigInteger)]
Cents = Annotated[int, mapped_column(BigInteger)]
Timestamp = Annotated[dt.datetime, mapped_column(DateTime(timezone=True))]
Str = Annotated[str, mapped_column(Text)]


class Base(DeclarativeBase):
    """The mapped tables. Joins are written out, without relationships, because composite keys share practice_id."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    type_annotation_map: ClassVar = {
        dict[str, Any]: JSONB,
        list[str]: JSONB,
        dt.datetime: DateTime(timezone=True),
        str: Text,
    }

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805  of the class
        """Return the class's name in snake_case, unless the class has its own."""
        return snake_case(cls.__name__)


def enum_column(values: type[StrEnum], name: str) -> Enum:
    """Return a text column that a check constraint called `name` limits to the enum's values."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda enum: [member.value for member in enum],
        length=60,
    )

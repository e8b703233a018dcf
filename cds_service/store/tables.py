"""The tables. A change here needs a migration beside the others, and its revision in REVISIONS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

# Every revision of the schema, the newest last (a test holds them against the migrations). They only ever add:
# while several machines are updated one after the other, older releases run on the newer schema.
REVISIONS = ("0001",)


class Instant(TypeDecorator[datetime]):
    """A moment, always in UTC; SQLite keeps it without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)


metadata = MetaData()

# Append-only. `card` is empty where it is no card of this service or of this client: such feedback is accepted
# and not counted. `rule` is the 10 hexadecimal digits that stand for the rule in the card's uuid.
feedback = Table(
    "feedback",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("client", String(200), nullable=False),
    Column("card", String(36), nullable=False),
    Column("rule", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("indicator", String(8), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("outcome_at", Instant, nullable=False),
    Column("suggestions", Integer, nullable=False),
    Column("reason_system", String(200), nullable=False),
    Column("reason_code", String(64), nullable=False),
    Column("has_comment", Boolean, nullable=False),
    Column("comment", Text, nullable=True),
    Index("feedback_card", "card"),
    Index("feedback_received_at", "received_at"),
)

shown = Table(
    "shown",
    metadata,
    Column("day", Date, primary_key=True),
    Column("client", String(200), primary_key=True),
    Column("rule", String(200), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("indicator", String(8), primary_key=True),
    Column("times", BigInteger, nullable=False),
)

# A token's `jti` as its SHA-256, until the token has expired (seconds since 1970).
used_jti = Table(
    "used_jti",
    metadata,
    Column("client", String(200), primary_key=True),
    Column("jti", String(64), primary_key=True),
    Column("expires", BigInteger, nullable=False),
    Index("used_jti_expires", "expires"),
)

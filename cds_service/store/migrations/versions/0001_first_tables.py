"""First tables: feedback, cards shown, used tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _feedback()
    op.create_table(
        "shown",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("client", sa.String(200), primary_key=True),
        sa.Column("rule", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("indicator", sa.String(8), primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "used_jti",
        sa.Column("client", sa.String(200), primary_key=True),
        sa.Column("jti", sa.String(64), primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("used_jti_expires", "used_jti", ["expires"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client", sa.String(200), nullable=False),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("rule", sa.String(10), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("indicator", sa.String(8), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suggestions", sa.Integer, nullable=False),
        sa.Column("reason_system", sa.String(200), nullable=False),
        sa.Column("reason_code", sa.String(64), nullable=False),
        sa.Column("has_comment", sa.Boolean, nullable=False),
        sa.Column("comment", sa.Text, nullable=True),
    )
    op.create_index("feedback_card", "feedback", ["card"])
    op.create_index("feedback_received_at", "feedback", ["received_at"])

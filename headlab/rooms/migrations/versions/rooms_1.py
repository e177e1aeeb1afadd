"""Rooms, and the records that their learners hand in."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "rooms",
        sa.Column("code", sa.String(10), primary_key=True),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("sheets", sa.Text, nullable=False),
        sa.Column("closes", sa.Float, nullable=False),
        sa.Column("phase", sa.String(10), nullable=False),
        sa.Column("shown_at", sa.Float),
        sa.Column("steps", sa.Integer),
    )
    room = sa.ForeignKey("rooms.code", ondelete="CASCADE")
    op.create_table(
        "records",
        sa.Column("room", sa.String(10), room, primary_key=True),
        sa.Column("learner", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )

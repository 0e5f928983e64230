"""What is to be told to others, in the transactions that it happened in.

Revision ID: 0011
Revises: 0010
"""

from attendance_projector.store.migrations.script import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0011_outbox.sql")


def downgrade() -> None:
    run_script("0011_outbox_down.sql")

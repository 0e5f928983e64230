"""Days without a punch.

Revision ID: 0004
Revises: 0003
"""

from attendance_projector.store.migrations.script import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0004_absence.sql")


def downgrade() -> None:
    run_script("0004_absence_down.sql")

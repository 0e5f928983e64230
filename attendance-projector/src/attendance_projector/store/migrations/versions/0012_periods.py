"""Locked periods and adjustments.

Revision ID: 0012
Revises: 0011
"""

from attendance_projector.store.migrations.script import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0012_periods.sql")


def downgrade() -> None:
    run_script("0012_periods_down.sql")

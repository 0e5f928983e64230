"""Punches without a face, corrections, reviews.

Revision ID: 0003
Revises: 0002
"""

from attendance_projector.store.migrations.script import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0003_punches_and_corrections.sql")


def downgrade() -> None:
    run_script("0003_punches_and_corrections_down.sql")

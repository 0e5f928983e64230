"""Holidays, leave, policies, rotations.

Revision ID: 0002
Revises: 0001
"""

from attendance_projector.store.migrations.script import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0002_directory_facts.sql")


def downgrade() -> None:
    run_script("0002_directory_facts_down.sql")

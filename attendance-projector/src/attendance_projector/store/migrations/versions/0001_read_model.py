"""Make the read model.

Revision ID: 0001
Revises: none
"""

from attendance_projector.store.migrations.script import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0001_read_model.sql")


def downgrade() -> None:
    run_script("0001_read_model_down.sql")

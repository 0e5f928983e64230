"""Remember which months are not kept any more.

Revision ID: 0015
Revises: 0014
"""

from attendance_projector.store.migrations.script import run_script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0015_retention.sql")


def downgrade() -> None:
    run_script("0015_retention_down.sql")

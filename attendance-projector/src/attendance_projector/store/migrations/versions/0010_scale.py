"""Count the changes of the directory; index days in the order of their pages.

Revision ID: 0010
Revises: 0004
"""

from attendance_projector.store.migrations.script import run_script

revision = "0010"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0010_scale.sql")


def downgrade() -> None:
    run_script("0010_scale_down.sql")

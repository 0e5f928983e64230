"""Keep the type of an organisation, and the policy that it brings.

Revision ID: 0014
Revises: 0012
"""

from attendance_projector.store.migrations.script import run_script

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0014_org_types.sql")


def downgrade() -> None:
    run_script("0014_org_types_down.sql")

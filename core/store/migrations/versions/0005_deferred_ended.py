"""What is accounted for is found by when it was, and removed after a while.

Revision: 0005
"""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # Without parameters the driver takes several statements, and a % in them as it stands.
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(statements)

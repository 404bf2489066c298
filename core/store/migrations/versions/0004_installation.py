"""An installation's own record, and partitions that the writer may have made without owning the ledger.

Revision: 0004
"""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # Without parameters the driver takes several statements, and a % in them as it stands.
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(statements)

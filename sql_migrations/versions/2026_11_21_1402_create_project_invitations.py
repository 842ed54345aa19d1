"""Create project_invitations.

Invitations by email; an email has at most one open invitation per project.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611211402"
down_revision = "202611211401"
branch_labels = None
depends_on = None
PHASE = "expand"


OPEN = "accepted_at IS NULL AND declined_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "project_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=False),
        sa.Column("accepted_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True),
        sa.Column("declined_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'member', 'viewer')",
            name=op.f("ck_project_invitations_role"),
        ),
        sa.CheckConstraint(
            "accepted_at IS NULL OR declined_at IS NULL",
            name=op.f("ck_project_invitations_answered_once"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name="fk_project_invitations_project_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name="fk_project_invitations_invited_by"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_invitations")),
    )
    lower_email = sa.literal_column("lower(email)")
    op.create_index(
        "uq_project_invitations_open",
        "project_invitations",
        ["project_id", lower_email],
        unique=True,
        postgresql_where=sa.text(OPEN),
    )
    op.create_index(
        "ix_project_invitations_project_id",
        "project_invitations",
        ["project_id", "created_at", "id"],
        postgresql_where=sa.text(OPEN),
    )
    op.create_index(
        "ix_project_invitations_email",
        "project_invitations",
        [lower_email, "created_at", "id"],
        postgresql_where=sa.text(OPEN),
    )


def downgrade() -> None:
    op.drop_table("project_invitations")

"""Create project_members.

The users of a project and their roles. A trigger at commit ensures that a project has an owner,
also if two owners leave at the same moment.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611211401"
down_revision = "202611211400"
branch_labels = None
depends_on = None
PHASE = "expand"


# Deferred to the commit, so that a transaction can replace one owner by another. Two transactions
# that each remove one of two owners would not see each other's change. The lock on the project lets
# the second wait, and it then counts in a new snapshot (READ COMMITTED, which the service uses;
# under REPEATABLE READ it would still see both).
# A deleted project needs no owner: its members are deleted with it.
KEEP_OWNER = """
CREATE FUNCTION keep_project_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    this_project uuid;
BEGIN
    IF TG_TABLE_NAME = 'projects' THEN
        this_project := NEW.id;
    ELSE
        this_project := OLD.project_id;
    END IF;
    PERFORM FROM projects WHERE id = this_project FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM project_members WHERE project_id = this_project AND role = 'owner'
    ) THEN
        RAISE EXCEPTION 'a project always has an owner'
        USING ERRCODE = 'check_violation', TABLE = 'project_members',
              CONSTRAINT = 'ck_project_members_last_owner';
    END IF;
    RETURN NULL;
END
$$
"""
MEMBERS_KEEP_OWNER = """
CREATE CONSTRAINT TRIGGER project_members_keep_owner AFTER UPDATE OR DELETE ON project_members
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'owner')
EXECUTE FUNCTION keep_project_owner()
"""
PROJECTS_BEGIN_WITH_OWNER = """
CREATE CONSTRAINT TRIGGER projects_begin_with_owner AFTER INSERT ON projects
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_project_owner()
"""


def upgrade() -> None:
    op.create_table(
        "project_members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
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
            "role IN ('owner', 'admin', 'member', 'viewer')", name=op.f("ck_project_members_role")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name="fk_project_members_project_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_project_members_user_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_members")),
    )
    op.create_index(
        "uq_project_members_user", "project_members", ["user_id", "project_id"], unique=True
    )
    op.create_index(
        "ix_project_members_project_id", "project_members", ["project_id", "created_at", "id"]
    )
    op.create_index(
        "ix_project_members_owners",
        "project_members",
        ["project_id"],
        postgresql_where=sa.text("role = 'owner'"),
    )
    op.execute(KEEP_OWNER)
    op.execute(MEMBERS_KEEP_OWNER)
    op.execute(PROJECTS_BEGIN_WITH_OWNER)


def downgrade() -> None:
    op.execute("DROP TRIGGER projects_begin_with_owner ON projects")
    op.drop_table("project_members")
    op.execute("DROP FUNCTION keep_project_owner()")

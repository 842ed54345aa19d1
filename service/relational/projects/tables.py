"""Tables of projects, their members and invitations."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.relational.users.tables import User
from service.stores.sql.base import VersionedTable

_A_ROLE = "role IN ('owner', 'admin', 'member', 'viewer')"
_OPEN = text("accepted_at IS NULL AND declined_at IS NULL")


class Project(VersionedTable):
    """A project of several users. It always has an owner.

    The triggers beside ``ck_project_members_last_owner`` ensure that; they are in the migration
    that creates project_members.
    """

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(5000), server_default="")
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="fk_projects_created_by"))
    deleted_at: Mapped[datetime | None]
    members: Mapped[list["ProjectMember"]] = relationship(lazy="raise", back_populates="project")

    __table_args__ = (
        Index("ix_projects_created_at_id", "created_at", "id"),
        Index("ix_projects_created_by", "created_by"),
        Index(
            "ix_projects_deleted",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )


class ProjectMember(VersionedTable):
    """A user's membership in a project, with its role."""

    __tablename__ = "project_members"

    project_id: Mapped[UUID] = mapped_column(
        ForeignKey("projects.id", name="fk_project_members_project_id", ondelete="CASCADE")
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", name="fk_project_members_user_id", ondelete="CASCADE")
    )
    role: Mapped[str] = mapped_column(String(20))
    project: Mapped[Project] = relationship(lazy="raise", back_populates="members")
    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint(_A_ROLE, name="role"),
        Index("uq_project_members_user", "user_id", "project_id", unique=True),
        Index("ix_project_members_project_id", "project_id", "created_at", "id"),
        Index("ix_project_members_owners", "project_id", postgresql_where=text("role = 'owner'")),
    )


class ProjectInvitation(VersionedTable):
    """An invitation to an email, with the role that it gives. Open until it is answered."""

    __tablename__ = "project_invitations"

    project_id: Mapped[UUID] = mapped_column(
        ForeignKey("projects.id", name="fk_project_invitations_project_id", ondelete="CASCADE")
    )
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(20))
    invited_by: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", name="fk_project_invitations_invited_by", ondelete="CASCADE")
    )
    secret_hash: Mapped[bytes | None]  # None for an invitation from before there were secrets
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
    project: Mapped[Project] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint(_A_ROLE, name="role"),
        CheckConstraint("accepted_at IS NULL OR declined_at IS NULL", name="answered_once"),
        # Where a user is erased: answered invitations, too.
        Index("ix_project_invitations_invited_by", "invited_by"),
        Index("ix_project_invitations_to", func.email_key(email)),
        Index(
            "uq_project_invitations_open",
            "project_id",
            func.email_key(email),
            unique=True,
            postgresql_where=_OPEN,
        ),
        Index(
            "ix_project_invitations_project_id",
            "project_id",
            "created_at",
            "id",
            postgresql_where=_OPEN,
        ),
        Index(
            "ix_project_invitations_email",
            func.email_key(email),
            "created_at",
            "id",
            postgresql_where=_OPEN,
        ),
    )

"""Users with their newest posts nested."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends
from typing_extensions import override

from service.relational.posts.queries import nested_hash, one_author
from service.relational.users.repository import UserNotFound, UserRepository
from service.stores.sql.fast_read import fetch
from service.web.conditional import JsonResource


class AuthorRepository(UserRepository):
    """The caller sees the posts that the list of posts shows them."""

    @override
    async def get_json(self, user_id: UUID, expand: Literal["posts"] | None = None) -> JsonResource:
        """Return one user as JSON; the ETag covers nested posts."""
        if expand is None:
            return await super().get_json(user_id)
        self._caller.require_scope("posts:read", "/query/expand")
        everything = self._caller.has_scope("posts:admin")
        statement = one_author(everybody=self._sees_everybody, everything=everything)
        values = {"user_id": user_id, "caller_id": self._caller.user_id}
        known = {name: values[name] for name in statement.names & values.keys()}
        rows = await fetch(self._session, statement, known)
        if not rows:
            raise UserNotFound
        version, nested, body = rows[0]
        return JsonResource(f"{version}.{nested_hash(nested)}", body)


Authors = Annotated[AuthorRepository, Depends(AuthorRepository.from_request)]

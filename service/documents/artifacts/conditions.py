"""If-Match and If-None-Match of a change, as a filter on the document of its path."""

from typing import Annotated

from fastapi import Depends, Header

from service.web.conditional import read_etags

Filter = dict[str, object]
_EXISTS: Filter = {"file_id": {"$ne": None}}
_IS_ABSENT: Filter = {"file_id": None}


async def read_conditions(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match", description="The ETag of the file to change; 412 if it has another."
        ),
    ] = None,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="`*`: 412 if there is a file already.",
        ),
    ] = None,
) -> Filter:
    """Return the filter that the document of a path must match; an empty one matches any."""
    conditions: list[Filter] = []
    if if_match is not None:
        conditions.append(_EXISTS)
        if if_match.strip() != "*":
            tags = [tag for weak, tag in read_etags(if_match) if not weak]
            conditions.append({"sha256": {"$in": tags}})
    if if_none_match is not None:
        others: list[Filter] = []
        if if_none_match.strip() != "*":
            tags = [tag for _, tag in read_etags(if_none_match)]
            others.append({"sha256": {"$nin": tags}})
        conditions.append({"$or": [_IS_ABSENT, *others]})
    return {"$and": conditions} if conditions else {}


Conditions = Annotated[Filter, Depends(read_conditions)]

"""The name of the database, found in the same way by the service and by every command."""

import re

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

DEFAULT_DATABASE = "polystore"
VARIABLE = "POLYSTORE_MONGODB_DATABASE"
"""The environment variable of an explicit name; the command line and the settings read it."""


class BadMongoUrl(ValueError):
    """MongoDB's driver would refuse the URL, or take a part of the password for something else.

    The message does not repeat the URL.
    """

    def __init__(self) -> None:
        super().__init__(
            "not a MongoDB URL: it begins with mongodb:// or mongodb+srv://, has : / ? # [ ] @ % "
            "escaped in user name, password and options, and a database name that MongoDB allows"
        )


def find_database_name(url: str, explicit: str | None) -> str:
    """Return the explicit name, else the one in the URL, else ``polystore``.

    The URL is read without asking a name server. Raises BadMongoUrl, also if a name is explicit.
    """
    scheme, _, rest = url.partition("://")
    # The driver ends the hosts at the first / or ?. An @ behind it is that of an unescaped
    # password, which would be shown as a host or as a database.
    hosts = re.match(r"[^/?]*", rest)
    if scheme not in {"mongodb", "mongodb+srv"} or hosts is None or "@" in rest[hosts.end() :]:
        raise BadMongoUrl
    try:
        in_url: str | None = parse_uri(f"mongodb://{rest.partition('?')[0]}")["database"]
    except (PyMongoError, ValueError):  # its message can quote the password
        raise BadMongoUrl from None
    return explicit if explicit is not None else in_url or DEFAULT_DATABASE

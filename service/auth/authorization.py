"""The header Authorization: a bearer token, or a token as the password of HTTP Basic."""

import base64
from urllib.parse import urlsplit

from fastapi import Request

from service.auth.caller import Forbidden, Unauthenticated

SAFE_METHODS = {"GET", "HEAD"}


class FromOtherSite(Forbidden):
    code, title = "from_other_site", "Request is of another site's page"
    detail = "Send a token as Bearer: browsers add Basic credentials to the requests of any page."


def token_of(request: Request, header: str) -> str:
    """Return a bearer token, or the token that is the password of HTTP Basic (RFC 7617).

    HTTP Basic serves clients that are configured with an address alone, such as KServe's logger:
    ``https://key:pk_…@host``, and MLflow's, which have a name and a password. The name may be any.
    The password is an API key or an access token, never that of a user: it would have to be hashed
    at each request.

    Raises:
        Unauthenticated: there is no token.
        FromOtherSite: the request changes something, and a browser added Basic to it by itself.
    """
    kind, _, token = header.partition(" ")
    token = token.strip()
    if kind.lower() == "basic":
        if request.method not in SAFE_METHODS and _is_from_other_site(request):
            raise FromOtherSite
        token = _password_in(token)
    elif kind.lower() != "bearer":
        raise Unauthenticated
    if not token:
        raise Unauthenticated
    return token


def _is_from_other_site(request: Request) -> bool:
    """Return whether a browser names another site as the origin of the request.

    It sends Sec-Fetch-Site over HTTPS and to its own machine only, but Origin always.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _password_in(basic: str) -> str:
    try:
        return base64.b64decode(basic, validate=True).decode().partition(":")[2]
    except ValueError as error:  # neither base64 nor UTF-8
        raise Unauthenticated from error

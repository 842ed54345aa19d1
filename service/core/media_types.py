"""Media types of bodies."""

from email.message import Message

_JSON_PATCH = "application/json-patch+json"  # RFC 6902: a list of operations; we take RFC 7396


def parse_media_type(content_type: str) -> str:
    """Return the media type of a Content-Type, in lower case and without parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """Return whether a body of this type is read as a JSON object."""
    is_derived = media_type.startswith("application/") and media_type.endswith("+json")
    return media_type == "application/json" or (is_derived and media_type != _JSON_PATCH)


def parse_charset(content_type: str) -> str | None:
    """Return the charset of a Content-Type in lower case, or None if it names none.

    Raises:
        ValueError: the parameters cannot be read.
    """
    header = Message()
    header["Content-Type"] = content_type
    try:
        return header.get_content_charset()
    except TypeError as error:  # parts of a value (RFC 2231) with and without a number
        raise ValueError from error

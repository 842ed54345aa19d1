"""Media types of bodies."""

from email.message import Message


def parse_media_type(content_type: str) -> str:
    """Return the media type of a Content-Type, in lower case and without parameters."""
    return content_type.partition(";")[0].strip().lower()


def parse_charset(content_type: str) -> str | None:
    """Return the charset of a Content-Type in lower case, or None if it names none."""
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset()

"""Emails that are accepted, and the form in which they are stored.

An email that is sent is checked with email-validator, without asking DNS. It is stored trimmed and
in NFC, its domain in lower case and in Unicode: ``Ada@EXAMPLE.com`` as ``Ada@example.com``, a
domain in Punycode as it reads. ``stored_emails.py`` has the rule for emails that are there.
"""

from typing import Annotated

import email_validator
from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from service.core.errors import printable
from service.web.text import composed, without_nul

MAX_LENGTH = 254  # RFC 5321; checked first, because email-validator takes long for long texts
MAX_REASON = 150
# Companies have addresses below .local, and testers below .test. The service sends no mail, so an
# address need not be reachable from everywhere. This list is how email-validator is configured.
for _domain in ("local", "test"):
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_domain)

# Reasons of email-validator that say too little, are two sentences or quote another library.
_REASONS = {
    "must have an @-sign": "An email needs an @-sign",
    "something before the @-sign": "An email needs a name before the @-sign",
    "something after the @-sign": "An email needs a domain after the @-sign",
    "It should have a period": "The domain after the @-sign needs a dot",
    "top-level domain": "The domain after the @-sign must end with a name, as .com is one",
    "special-use or reserved": "The domain after the @-sign is reserved and has no mail",
    "too long": f"An email has at most {MAX_LENGTH} bytes",
    "so many characters": "The domain after the @-sign has over 63 characters between dots",
    "IDNA": "The domain after the @-sign is not a valid name",
    "part after the @-sign is invalid": "The domain after the @-sign is not a valid name",
    "A display name": "An email is the address alone, without a name and angle brackets",
}


class EmailNotValid(ValueError):
    """The text is not an email that is accepted; ``str()`` has the reason and what to send."""


def normalize_email(text: str) -> str:
    """Return the email as it is stored.

    Raises:
        EmailNotValid: it is not accepted.
    """
    try:
        checked = email_validator.validate_email(text.strip(), check_deliverability=False)
    except ValueError as error:  # EmailNotValidError, or UnicodeError of its library for domains
        raise EmailNotValid(f"{_reason(str(error))}; send one such as ada@example.com") from error
    return checked.normalized


def _reason(message: str) -> str:
    ours = (reason for part, reason in _REASONS.items() if part in message)
    return next(ours, None) or printable(message.removesuffix("."), MAX_REASON)


def _validate(text: str) -> str:
    try:
        return normalize_email(text)
    except EmailNotValid as error:
        raise PydanticCustomError("email", "{reason}", {"reason": str(error)}) from error


# Not checked until the stored emails are known: see stored_emails.py.
# It is a Text, trimmed before its length is checked.
AnyEmail = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_LENGTH),
    AfterValidator(without_nul),
    AfterValidator(composed),
    Field(json_schema_extra={"format": "email"}),
]
Email = Annotated[AnyEmail, AfterValidator(_validate)]

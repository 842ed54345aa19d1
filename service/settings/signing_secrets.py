"""The secrets that sign tokens and cursors: their strength, their file, and a generated one."""

import os
import re
import secrets
from pathlib import Path

from pydantic import SecretStr

MIN_SECRET_LENGTH, MIN_DISTINCT_CHARACTERS = 32, 8


class BadSecret(ValueError):
    """A secret is missing or weak."""


def check_secret(secret: str) -> None:
    """Check the length and the variety of a secret.

    Raises:
        BadSecret: with the command that creates one.
    """
    remedy = "Create a random one: openssl rand -hex 32"
    if len(secret) < MIN_SECRET_LENGTH:
        raise BadSecret(f"The secret has fewer than {MIN_SECRET_LENGTH} characters. {remedy}")
    common = ("secret", "change", "password", "default", "example", "polystore")
    if len(set(secret)) < MIN_DISTINCT_CHARACTERS or secret.lower().startswith(common):
        raise BadSecret(f"The secret is easy to guess. {remedy}")


def split_secrets(joined: SecretStr | None) -> list[str]:
    """Return the secrets of a list with commas, or of a file with one per line.

    Blank ones are left out: anybody could sign with them.
    """
    if joined is None:
        return []
    parts = re.split("[,\n]", joined.get_secret_value())
    return [part.strip() for part in parts if part.strip()]


def read_secrets(path: Path) -> list[str]:
    """Return the secrets of a file, one per line.

    Raises:
        BadSecret: the file has no secret, or a weak one.
    """
    try:
        lines = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSecret(f"{path} cannot be read ({type(error).__name__}).") from error
    if not lines:
        raise BadSecret(f"{path} is empty. Write a secret to it: openssl rand -hex 32")
    for line in lines:
        check_secret(line)
    return lines


def generated_secret(data_dir: Path) -> Path:
    """Return the file of the generated secret in the data folder; create it once."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, new = data_dir / "secret", data_dir / f"secret.{os.getpid()}"
    if not path.exists():
        new.touch(mode=0o600)
        new.write_text(secrets.token_hex(32))
        try:
            path.hardlink_to(new)  # fails if another process was first
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return path

"""The variables of the settings: the environment, ``.env`` beneath it, and files named by either.

Names are in lower case, as pydantic-settings compares them. No message repeats a value.
"""

import os
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

PREFIX = "polystore_"
ENV_FILE_VARIABLE = "POLYSTORE_ENV_FILE"
"""Names another file than ``.env``; empty: none is read. Only the environment has it."""
FILE_SUFFIX = "_file"
Variables = Mapping[str, str | None]


class BadVariable(ValueError):
    """A variable cannot be used, or the file that it names; the message has the remedy."""


def names_of(name: str, field: FieldInfo) -> tuple[str, ...]:
    """Return the variables of a setting; the first that is set counts."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(f"{choice}".lower() for choice in alias.choices if choice != name)
    return (PREFIX + name,)


def file_names(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the ``…_file`` variables of all secrets, each with the variable of the value."""
    return {
        f"{variable}{FILE_SUFFIX}": variable
        for name, field in settings.model_fields.items()
        if SecretStr in getattr(field.annotation, "__args__", ())
        for variable in names_of(name, field)
    }


def read_env_file() -> Variables:
    """Return the variables of ``.env`` in the working directory, or of POLYSTORE_ENV_FILE.

    Raises:
        BadVariable: the file or a line of it cannot be read, or the environment names a missing
            file.
    """
    named = os.environ.get(ENV_FILE_VARIABLE)
    path = Path(".env" if named is None else named)
    is_file = path.exists() and not path.is_dir()  # some have a virtual environment there
    if named == "" or (named is None and not is_file):
        return {}
    if not is_file:
        raise BadVariable(f"{ENV_FILE_VARIABLE} names {path}, which is no file.")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadVariable(f"{path} cannot be read ({type(error).__name__}).") from None
    return dict(_parse(path, text))


def _parse(path: Path, text: str) -> Iterator[tuple[str, str]]:
    """Yield the variables that are not empty. ``${X}`` stays, because a password may have it."""
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            source = binding.original.string
            blank_lines = source[: -len(source.lstrip())].count("\n")
            raise BadVariable(
                f"Line {binding.original.line + blank_lines} of {path} cannot be read. "
                "Write NAME=value, with both quotes or none."
            )
        if binding.key and binding.value:
            yield binding.key.lower(), binding.value


def merge(settings: type[BaseSettings], environment: Variables, env_file: Variables) -> Variables:
    """Return the variables of both, with the content of the files that they name.

    A setting that the environment has in any form is not taken from the file. ``secret_file`` is a
    setting itself, whose file is read later.

    Raises:
        BadVariable: one of them gives a value and a file, or a file cannot be read.
    """
    merged = {name: value for name, value in environment.items() if not _is_service(name, value)}
    for forms in _forms(settings):
        source = merged if any(form in merged for form in forms) else env_file
        merged |= {form: source[form] for form in forms if form in source}
    for named, variable in file_names(settings).items():
        path = merged.get(named)
        if path is None:
            continue
        if merged.get(variable) is not None:
            raise BadVariable(
                f"{variable.upper()} and {named.upper()} are both set. Unset one of them."
            )
        if named.removeprefix(PREFIX) not in settings.model_fields:
            merged[variable] = _content(named.upper(), Path(path))
    return merged


def _is_service(name: str, value: str | None) -> bool:
    """Return whether Kubernetes set the variable, which is named as the setting of the port.

    It sets POLYSTORE_PORT=tcp://10.0.0.1:8000 in each container beside a Service named polystore.
    """
    return name == f"{PREFIX}port" and (value or "").startswith("tcp://")


def _forms(settings: type[BaseSettings]) -> Iterator[tuple[str, ...]]:
    """Yield per setting its variables, with those that name a file."""
    files = file_names(settings)
    for name, field in settings.model_fields.items():
        names = names_of(name, field)
        if files.keys().isdisjoint(names):
            yield (*names, *(named for named, variable in files.items() if variable in names))


def _content(variable: str, path: Path) -> str:
    """Return a file without the line break at its end, which editors and ``echo`` add."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadVariable(
            f"{variable} names {path}, which cannot be read ({type(error).__name__})."
        ) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise BadVariable(f"{variable} names {path}, which is empty.")
    return text

"""The variables of the settings: the environment, ``.env`` beneath it, and files named by either.

Names are in lower case, as pydantic-settings compares them. No message repeats a value.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource

PREFIX = "polystore_"
ENV_FILE_VARIABLE = "POLYSTORE_ENV_FILE"
"""Names another file than ``.env``; empty: none is read. Only the environment has it."""
_FILE = "_file"
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
    """Return the ``…_file`` variables, each with the variable whose value is in the file.

    Every secret has one but ``secret``: ``secret_file`` is a setting itself.
    """
    fields = settings.model_fields
    return {
        f"{variable}{_FILE}": variable
        for name, field in fields.items()
        if SecretStr in getattr(field.annotation, "__args__", ()) and name + _FILE not in fields
        for variable in names_of(name, field)
    }


def read_env_file(settings: type[BaseSettings]) -> Variables:
    """Return the variables of ``.env`` in the working directory, or of POLYSTORE_ENV_FILE.

    Raises:
        BadVariable: the file cannot be read, or the environment names one that is missing.
    """
    named = os.environ.get(ENV_FILE_VARIABLE)
    path = Path(".env" if named is None else named)
    is_file = path.exists() and not path.is_dir()  # some have a virtual environment there
    if named == "" or (named is None and not is_file):
        return {}
    if not is_file:
        raise BadVariable(f"{ENV_FILE_VARIABLE} names {path}, which is no file.")
    try:
        return DotEnvSettingsSource(settings, env_file=path).env_vars
    except (OSError, UnicodeDecodeError) as error:
        raise BadVariable(f"{path} cannot be read ({type(error).__name__}).") from None


def merge(settings: type[BaseSettings], environment: Variables, env_file: Variables) -> Variables:
    """Return the variables of both, with the content of the files that they name.

    A setting that the environment has in any form is not taken from the file.

    Raises:
        BadVariable: one of them gives a value and a file, or a file cannot be read.
    """
    merged = dict(environment)
    for forms in _forms(settings):
        source = environment if any(form in environment for form in forms) else env_file
        merged |= {form: source[form] for form in forms if form in source}
    for named, variable in file_names(settings).items():
        path = merged.get(named)
        if path is None:
            continue
        if merged.get(variable) is not None:
            raise BadVariable(
                f"{variable.upper()} and {named.upper()} are both set. Unset one of them."
            )
        merged[variable] = _content(named.upper(), Path(path))
    return merged


def _forms(settings: type[BaseSettings]) -> Iterator[tuple[str, ...]]:
    """Yield per setting its variables, with those that name a file."""
    files = file_names(settings)
    for name, field in settings.model_fields.items():
        names = names_of(name, field)
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

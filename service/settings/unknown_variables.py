"""Variables that look like settings and are none: most are misspelled."""

import os
import re
from difflib import get_close_matches

from service.settings.settings import Settings
from service.settings.variables import (
    ENV_FILE_VARIABLE,
    FILE_SUFFIX,
    PREFIX,
    file_names,
    names_of,
    read_env_file,
)

# Kubernetes sets these in every container beside a Service that is named polystore.
_OF_KUBERNETES = re.compile("polystore_(service_(host|port.*)|port_[0-9]+_(tcp|udp).*)")


def unknown_variables() -> list[str]:
    """Return a sentence for each unknown POLYSTORE_ variable of the environment and of ``.env``.

    They are no errors, because a deployment may serve an older and a newer release.

    Raises:
        BadVariable: ``.env`` cannot be read.
    """
    fields = Settings.model_fields.items()
    known = {variable for name, field in fields for variable in names_of(name, field)}
    known |= {*file_names(Settings), ENV_FILE_VARIABLE.lower()}
    names = {name.lower() for name in (*os.environ, *read_env_file())}
    return [
        _sentence(name, known)
        for name in sorted(names - known)
        if name.startswith(PREFIX) and not _OF_KUBERNETES.fullmatch(name)
    ]


def _sentence(name: str, known: set[str]) -> str:
    value = name.removesuffix(FILE_SUFFIX)
    if value != name and value in known:
        return f"{name.upper()} is not a setting: only secrets have files. Set {value.upper()}."
    rests = [other.removeprefix(PREFIX) for other in known if other.startswith(PREFIX)]
    nearest = get_close_matches(name.removeprefix(PREFIX), rests, n=1)
    advice = f"The nearest name is {(PREFIX + nearest[0]).upper()}." if nearest else ""
    return f"{name.upper()} is not a setting. {advice or 'It has no effect.'}"

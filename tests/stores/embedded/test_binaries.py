"""The engines' programs: missing, or without their run bit."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from service.stores.embedded import PlatformUnsupported, embedded_stores
from service.stores.embedded.binaries import ensure_executable


def test_binaries_missing_names_alternatives_and_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(_name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr("service.stores.embedded.binaries.find_spec", find_nothing)
    with pytest.raises(PlatformUnsupported) as error, embedded_stores(tmp_path / "data"):
        pass
    for word in ("PostgreSQL", "MongoDB", "DATABASE_URL", "MONGODB_URL", "compose.yaml"):
        assert word in str(error.value)
    assert not (tmp_path / "data").exists()


def test_binaries_missing_run_bit_is_added_in_place(tmp_path: Path) -> None:
    root = _programs(tmp_path)
    assert ensure_executable(root, ("mongod",), tmp_path / "copies") == root
    assert (root / "mongod").stat().st_mode & 0o111
    assert not (tmp_path / "copies").exists()


def test_binaries_read_only_installation_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _programs(tmp_path)
    change_mode = Path.chmod

    def read_only(path: Path, mode: int) -> None:
        if path.is_relative_to(root):
            raise PermissionError(path)
        change_mode(path, mode)

    monkeypatch.setattr(Path, "chmod", read_only)
    copy = ensure_executable(root, ("mongod",), tmp_path / "copies")
    assert copy == tmp_path / "copies" / "bin"
    assert (copy / "mongod").read_text() == "a program"
    inode = (copy / "mongod").stat().st_ino
    assert ensure_executable(root, ("mongod",), tmp_path / "copies") == copy
    assert (copy / "mongod").stat().st_ino == inode


def _programs(folder: Path) -> Path:
    root = folder / "bin"
    root.mkdir()
    (root / "mongod").write_text("a program")
    (root / "mongod").chmod(0o644)
    return root

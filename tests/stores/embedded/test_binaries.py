"""The programs: missing, or without their run bit."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from service.stores.embedded import PlatformUnsupported, embedded_stores
from service.stores.embedded.binaries import runnable


def test_without_binaries_it_says_what_to_set_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(_name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr("service.stores.embedded.binaries.find_spec", find_nothing)
    with pytest.raises(PlatformUnsupported) as refusal, embedded_stores(tmp_path / "data"):
        pass
    for word in ("PostgreSQL", "MongoDB", "DATABASE_URL", "MONGODB_URL", "compose.yaml"):
        assert word in str(refusal.value)
    assert not (tmp_path / "data").exists()


def test_a_missing_run_bit_is_added_in_place(tmp_path: Path) -> None:
    root = _programs(tmp_path)
    assert runnable(root, ("mongod",), tmp_path / "spare") == root
    assert (root / "mongod").stat().st_mode & 0o111
    assert not (tmp_path / "spare").exists()


def test_where_the_run_bit_cannot_be_added_a_copy_is_used_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _programs(tmp_path)
    change_mode = Path.chmod

    def read_only(path: Path, mode: int) -> None:
        if path.is_relative_to(root):
            raise PermissionError(path)
        change_mode(path, mode)

    monkeypatch.setattr(Path, "chmod", read_only)
    copy = runnable(root, ("mongod",), tmp_path / "spare")
    assert copy == tmp_path / "spare" / "bin"
    assert (copy / "mongod").read_text() == "a program"
    made = (copy / "mongod").stat().st_ino
    assert runnable(root, ("mongod",), tmp_path / "spare") == copy
    assert (copy / "mongod").stat().st_ino == made


def _programs(folder: Path) -> Path:
    root = folder / "bin"
    root.mkdir()
    (root / "mongod").write_text("a program")
    (root / "mongod").chmod(0o644)
    return root

"""The data folder: private, somebody's own, its files whole or absent."""

import os
from pathlib import Path
from stat import S_IMODE

import pytest

from service.stores.embedded import EmbeddedError
from service.stores.embedded.data_dir import is_locked, kept_secret, locked, make_private


def test_an_open_folder_is_tightened_and_a_secret_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    assert make_private(folder) == folder.resolve()
    secret = kept_secret(folder / "password")
    assert len(secret) == 48
    (folder / "password").chmod(0o644)
    assert kept_secret(folder / "password") == secret
    assert S_IMODE((folder / "password").stat().st_mode) == 0o600
    assert S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="cannot be used"):
        make_private(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own another's folder")
def test_root_does_not_leave_its_files_in_another_users_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(EmbeddedError, match="run as that user"), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_does_not_hold_the_lock_beyond_its_parents_block(tmp_path: Path) -> None:
    go, wait = os.pipe()
    told, tell = os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            os.close(wait)
            os.write(tell, b".")
            os.read(go, 1)
            os._exit(0)
        os.read(told, 1)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    os.close(wait)
    os.waitpid(child, 0)
    for end in (go, told, tell):
        os.close(end)

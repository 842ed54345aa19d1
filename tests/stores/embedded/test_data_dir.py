"""The data folder: private, with one owner, locked by one process."""

import os
from pathlib import Path
from stat import S_IMODE

import pytest

from service.stores.embedded import EmbeddedError
from service.stores.embedded.data_dir import is_locked, locked, make_private, stored_secret


def test_data_dir_open_folder_becomes_private_secret_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    assert make_private(folder) == folder.resolve()
    secret = stored_secret(folder / "password")
    assert len(secret) == 48
    (folder / "password").chmod(0o644)
    assert stored_secret(folder / "password") == secret
    assert S_IMODE((folder / "password").stat().st_mode) == 0o600
    assert S_IMODE(folder.stat().st_mode) == 0o700


def test_make_private_impossible_path_raises_error_with_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="cannot be used"):
        make_private(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
def test_locked_root_in_another_users_folder_creates_no_file(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(EmbeddedError, match="Run as that user"), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_locked_forked_child_does_not_prolong_the_lock(tmp_path: Path) -> None:
    child_wait, parent_go = os.pipe()
    parent_wait, child_ready = os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            os.close(parent_go)
            os.write(child_ready, b".")
            os.read(child_wait, 1)
            os._exit(0)
        os.read(parent_wait, 1)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    os.close(parent_go)
    os.waitpid(child, 0)
    for end in (child_wait, parent_wait, child_ready):
        os.close(end)

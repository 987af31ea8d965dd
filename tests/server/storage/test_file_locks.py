"""Locks on files: alone or shared, and held by whoever inherits them."""

import os
import subprocess
from pathlib import Path

from vcci_server.storage.file_locks import is_held, locked, release, share, try_lock


def test_a_lock_is_held_until_the_end_of_its_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path):
        assert is_held(path)
        assert try_lock(path) is None
    assert not is_held(path)


def test_the_last_to_release_a_shared_lock_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = share(path), share(path)
    assert not release(first)
    assert is_held(path)
    assert release(second)
    assert not is_held(path)


def test_a_lock_lives_as_long_as_the_process_that_inherited_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    file = try_lock(path)
    assert file is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[file]) as heir:
        os.close(file)
        assert is_held(path)
        heir.communicate()
    assert not is_held(path)

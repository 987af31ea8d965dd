"""Files that are replaced while the service runs: keys, certificates, who is who."""

import os

LOOK_EVERY_S = 5.0  # for those that nobody asks about

_Looks = tuple[int, int, int] | None


class ChangingFiles:
    """Tells when one of some files is another than when it was last asked."""

    def __init__(self, *paths: str) -> None:
        self._paths = paths
        self._seen: list[_Looks] = []

    def have_changed(self) -> bool:
        """Whether they have, since the last time; the first time they have."""
        before, self._seen = self._seen, [_looks(path) for path in self._paths]
        return before != self._seen


def _looks(path: str) -> _Looks:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

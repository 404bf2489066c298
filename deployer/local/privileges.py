"""As whom Postgres runs: it refuses to run as root, so that root lends it another user for its data directory alone."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deployer.local.errors import LocalTenantError

NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Identity:
    """How to start a program as `uid`: by a prefix to its command, or by the `user` and `group` of the new process."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()
    user: int | None = None  # for subprocess; None: as we are
    group: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """`extra_groups` for subprocess: none of root's where the user changes."""
        return None if self.user is None else []


def identity_for(directory: Path, program: Path, *, death_signal: str = "QUIT") -> Identity:
    """As whom to run `program`, a Postgres whose data are in `directory`.

    Not as root: as we are. As root: as the owner of existing data, or as `nobody`, who keeps the one capability to
    pass through directories that are root's alone, so that none of them need be opened. Where setpriv(1) is missing or
    not permitted, as a plain user, who must be able to reach both: `LocalTenantError` where that user cannot.
    """
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid())
    uid, gid = _nobody()
    if directory.exists() and (owner := directory.stat()).st_uid != 0:
        uid, gid = owner.st_uid, owner.st_gid
    prefix = (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        f"--pdeathsig={death_signal}",  # changing the user clears the one that the parent set
    )
    # Postgres looks for its own programs with access(2), which without this bit ignores capabilities: a checkout under
    # /root would be out of its sight (capabilities(7), SECBIT_NO_SETUID_FIXUP). Some containers do not permit it.
    for candidate in ((*prefix, "--securebits=+no_setuid_fixup"), prefix):
        if _finds(candidate, program):
            return Identity(uid, gid, candidate)
    identity = Identity(uid, gid, user=uid, group=gid)
    _require_reachable(directory.parent, "Give a --data-dir", identity)
    _require_reachable(program.parent, "Install Aduana in a directory", identity)
    return identity


def _nobody() -> tuple[int, int]:
    """A user without rights; initdb wants one who has a name."""
    import pwd  # there is none on Windows, and no root either

    for name in ("nobody", "postgres", "daemon"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user.pw_uid, user.pw_gid
    return NOBODY, NOBODY


@cache
def _finds(prefix: tuple[str, ...], program: Path) -> bool:
    """Whether the prefix works here, and access(2) finds the program behind it."""
    if shutil.which(prefix[0]) is None:
        return False
    ask = (sys.executable, "-I", "-S", "-c", "import os, sys; sys.exit(not os.access(sys.argv[1], os.X_OK))")
    return subprocess.run([*prefix, *ask, str(program)], cwd="/", capture_output=True, check=False).returncode == 0


def _require_reachable(directory: Path, remedy: str, identity: Identity) -> None:
    probe = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)],
        user=identity.user,
        group=identity.group,
        extra_groups=identity.groups,
        cwd="/",
        capture_output=True,
        check=False,
    )
    if probe.returncode != 0:
        raise LocalTenantError(
            "unreachable_data_dir",
            f"Postgres does not run as root, and user {identity.uid} cannot reach {directory}",
            f"{remedy} whose parents others may enter, install setpriv (util-linux), or run as another user",
        )

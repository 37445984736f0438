"""Judges deploy/systemd: systemd's own checks of the unit, and how much of the machine it leaves exposed."""

import shutil
import tempfile
from pathlib import Path

from common import DEPLOY, finish, run

UNIT = DEPLOY / "systemd/bellwether.service"
UNITS_OF_SYSTEMD = Path("/usr/lib/systemd/system")
# In tenths, as `systemd-analyze --threshold` takes it.
EXPOSURE_MAX = 20


def verify_faults():
    """`verify` in a root that has systemd's own units and a stand-in for each command."""
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        shutil.copytree(UNITS_OF_SYSTEMD, root / "usr/lib/systemd/system", symlinks=True)
        for command in ("usr/local/bin/bellwether", "bin/kill"):
            path = root / command
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o755)
        target = root / "etc/systemd/system" / UNIT.name
        target.parent.mkdir(parents=True)
        shutil.copy(UNIT, target)
        checked = run("systemd-analyze", "verify", f"--root={root}", UNIT.name)
    # An unknown key is a warning for systemd; here it is a fault.
    if checked.returncode != 0 or checked.stderr.strip():
        yield f"verify: {checked.stdout}{checked.stderr}"


def exposure_faults():
    checked = run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT)
    if checked.returncode != 0:
        yield f"exposes too much:\n{checked.stdout}{checked.stderr}"


def main():
    if not shutil.which("systemd-analyze"):
        finish("systemd", ["wants systemd-analyze, of Debian's package systemd"], "")
    finish("systemd", [*verify_faults(), *exposure_faults()], f"{UNIT.name} is in order")


if __name__ == "__main__":
    main()

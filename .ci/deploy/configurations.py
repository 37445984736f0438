"""Judges the configurations of Bellwether in deploy/ with `bellwether check`, given as the first argument."""

import sys
import tempfile
from pathlib import Path

from common import DEPLOY, finish, load_yaml, run


def check_faults(bellwether, name, path):
    checked = run(bellwether, "check", path)
    if checked.returncode != 0:
        yield f"{name}:\n{checked.stdout}{checked.stderr}"


def main():
    bellwether = sys.argv[1]
    paths = [DEPLOY / "container/bellwether.yml", DEPLOY / "compose/bellwether.yml"]
    faults = [fault for path in paths for fault in check_faults(bellwether, path.relative_to(DEPLOY), path)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bellwether.yml"
        path.write_text(load_yaml(DEPLOY / "kubernetes/configmap.yaml")["data"][path.name], encoding="utf-8")
        faults += check_faults(bellwether, "kubernetes/configmap.yaml", path)
    finish("configurations", faults, f"{len(paths) + 1} pass `bellwether check`")


if __name__ == "__main__":
    main()

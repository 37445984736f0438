"""Judges the configurations of Bellwether in deploy/ with `bellwether check`, given as the first argument."""

import sys
import tempfile
from pathlib import Path

from common import DEPLOY, finish, load_yaml_documents, run


def check_faults(bellwether, name, path):
    checked = run(bellwether, "check", path)
    if checked.returncode != 0:
        yield f"{name}:\n{checked.stdout}{checked.stderr}"


def main():
    bellwether = sys.argv[1]
    paths = [DEPLOY / "container/bellwether.yml", *sorted((DEPLOY / "compose").glob("bellwether*.yml"))]
    faults = [fault for path in paths for fault in check_faults(bellwether, path.relative_to(DEPLOY), path)]
    maps = [(path, item) for path in sorted(DEPLOY.glob("kubernetes*/*.yaml")) for item in load_yaml_documents(path)
            if item["kind"] == "ConfigMap"]
    with tempfile.TemporaryDirectory() as folder:
        for source, item in maps:
            path = Path(folder) / "bellwether.yml"
            path.write_text(item["data"][path.name], encoding="utf-8")
            faults += check_faults(bellwether, source.relative_to(DEPLOY), path)
    finish("configurations", faults, f"{len(paths) + len(maps)} pass `bellwether check`")


if __name__ == "__main__":
    main()

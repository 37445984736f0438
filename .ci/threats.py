"""Fails when a threat of docs/security.md names no test, or one that does not exist.

What does not exist in this version says so as its defence, and needs no test.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security.md"
# What a test is named by, besides its own name and its file: what runs it.
RUNS = {"cargo deny", "e2e", "fuzz"}
NO_THREAT = {"", "threat"}


def rows(text):
    """Number or name, defence and test of each threat."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and not cells[3].startswith("---"):
            if cells[1] not in NO_THREAT:
                yield cells[0] or cells[1], cells[2], cells[3]


def exists(name, files, tests):
    """Whether `name` is a test, a module of them, the end of a file's path, or runs tests."""
    if name in RUNS or name in tests or name.startswith(".ci/run "):
        return True
    return any(file == name or file.endswith("/" + name) for file in files)


def faults(text, files, tests):
    """What is wrong, a line each."""
    for threat, defence, test in rows(text):
        if re.match(r"(Does|Do|.* does) not exist\b[^.]*\.", defence) or test == "the compiler":
            continue
        names = re.findall(r"`([^`]+)`", test)
        if not names:
            yield f"{threat}: names no test"
        for name in names:
            if not exists(name, files, tests):
                yield f"{threat}: there is no `{name}`"


def main():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    files = listed.stdout.split()
    tests = set()
    for file in files:
        if file.endswith(".rs"):
            source = (ROOT / file).read_text(encoding="utf-8")
            tests.update(re.findall(r"\b(?:fn|mod) (\w+)", source))
    found = list(faults(PAGE.read_text(encoding="utf-8"), files, tests))
    print("\n".join(found), file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

"""Fails when a crate depends on one that it must not: the arrows of ARCHITECTURE.md; and when anything is unsafe.

    series <- { wire, detect, signal } <- engine <- runtime <- eventlog <- { replay, connect } <- bellwether

Only normal dependencies count; tests may use what they like.
"""

import json
import pathlib
import re
import subprocess
import sys

ABOVE_SERIES = ["wire", "detect", "signal"]
BELOW_RUNTIME = ["series", *ABOVE_SERIES, "engine"]
BELOW_EVENTLOG = [*BELOW_RUNTIME, "runtime"]
BELOW_RIM = [*BELOW_EVENTLOG, "eventlog"]

# Each crate and those of ours that it may use.
MAY_USE = {
    "series": [],
    "wire": ["series"],
    "detect": ["series"],
    "signal": ["series"],
    "engine": ["series", *ABOVE_SERIES],
    "runtime": BELOW_RUNTIME,
    "eventlog": BELOW_EVENTLOG,
    "replay": BELOW_RIM,
    "connect": BELOW_RIM,
    "bellwether": [*BELOW_RIM, "replay", "connect"],
}
# Test-only members, which nobody may use and which may use everybody.
FREE = {"benches", "simulation", "fuzz"}

# Crates of others that only some of ours may use directly.
ONLY_IN = {
    **dict.fromkeys(["tokio", "tokio-util", "axum", "hyper", "hyper-util", "reqwest", "rdkafka"],
                    {"connect", "bellwether"}),
    **dict.fromkeys(["ndarray", "linfa", "linfa-clustering", "statrs"], {"detect"}),
    "object_store": {"connect", "bellwether"},
    "promql-parser": {"signal"},
    "clap": {"bellwether"},
}


# The only files that may contain unsafe code: an instruction that accesses no memory; an allocator that counts, of a test.
UNSAFE_IN = [pathlib.Path("crates/series/src/prefetch.rs"), pathlib.Path("benches/allocations.rs")]


def short(package):
    return package.removeprefix("bellwether-")


def faults_of(packages):
    ours = {package["name"] for package in packages}
    for package in packages:
        name = short(package["name"])
        if name in FREE:
            continue
        if name not in MAY_USE:
            yield f"{name} is new: say in .ci/arrows.py what it may use"
            continue
        for dependency in package["dependencies"]:
            used = dependency["name"]
            if dependency["kind"] is not None:
                continue
            if used in ours and short(used) not in MAY_USE[name]:
                yield f"{name} must not use {short(used)}"
            if name not in ONLY_IN.get(used, {name}):
                yield f"{name} must not use {used}: only {', '.join(sorted(ONLY_IN[used]))} may"


def unsafe_of(root):
    for folder in ["crates", "benches"]:
        for path in sorted((root / folder).rglob("*.rs")):
            if path.relative_to(root) in UNSAFE_IN:
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if re.search(r"\bunsafe(_code)?\b", line.split("//")[0]):
                    yield f"{path.relative_to(root)}:{number} is unsafe: only {', '.join(map(str, UNSAFE_IN))} may be"


def main():
    command = ["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packages"]
    root = pathlib.Path(__file__).resolve().parent.parent
    faults = [*faults_of(packages), *unsafe_of(root)]
    for fault in faults:
        print(f"arrows: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f"arrows: {len(packages)} crates, every arrow points down")


if __name__ == "__main__":
    main()

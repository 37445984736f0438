"""Holds the pages to what is true: commands run, examples parse, links lead somewhere, cards name their rules.

    python3 .ci/docs.py --binary PATH [--tools DIR] [PAGE...]

Each ```sh block must say, in an HTML comment on the line before it, who runs it:

    <!-- run -->                      this script, with `bash -euo pipefail`
    <!-- run beside bellwether -->    the same, while a `bellwether run` listens where the block says
                                      127.0.0.1:2355; an answer of 400 or above fails it
    <!-- run by: STEP of .ci/run -->  a step that exists; `run by: .ci/accept` is for the longer checks
    <!-- not run: REASON -->          nobody

Blocks that this script runs find the binary first on their PATH, the tools of --tools behind it, and stand in a
copy of the repository, one for each page, in the order of the page. Whatever they leave running is killed; so a
server is started in the background, waited for by `listen.addr` in its data folder, and ended by `kill $!`.

Other blocks are judged if the comment before them names the judge; with `: NAME` the block is also kept under that
name for the commands that follow it:

    <!-- check -->     a whole configuration, by `bellwether check`. A block that begins `# bellwether.yml` must say so
    <!-- promtool -->  by `promtool check config`. A block that begins `# prometheus.yml` must say so
    <!-- rules -->     by `promtool check rules`
    <!-- amtool -->    by `amtool check-config`
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK_SECONDS_MAX = 60
JUDGES = {
    "check": (["bellwether", "check"], "bellwether.yml"),
    "promtool": (["promtool", "check", "config"], "prometheus.yml"),
    "rules": (["promtool", "check", "rules"], "rules.yml"),
    "amtool": (["amtool", "check-config"], "alertmanager.yml"),
}
MUST_SAY = {"# bellwether.yml": "check", "# prometheus.yml": "promtool"}
BESIDE = "run beside bellwether"
SERVER_SECONDS_MAX = 20
SHELL = {"sh", "bash", "shell", "console"}


def is_ready(address):
    """Whether the bellwether that listens there takes requests."""
    try:
        with urllib.request.urlopen(f"http://{address}/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@dataclass
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page, text):
    """The fenced blocks of a page, each with the comment before it.

    >>> [(b.line, b.language, b.mark, b.text) for b in blocks("p", "<!-- run -->\\n```sh\\nls\\n```\\n~~~\\nx\\n~~~")]
    [(2, 'sh', 'run', 'ls\\n'), (5, '', '', 'x\\n')]
    """
    found, fence, before = [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if fence:
            if bare == fence:
                found[-1].text = "".join(row + "\n" for row in rows)
                fence, before = None, ""
            else:
                rows.append(line[indent:])
        elif match := re.match(r"(```+|~~~+)\s*([\w-]*)", bare):
            fence, rows, indent = match[1], [], len(line) - len(line.lstrip())
            mark = re.fullmatch(r"<!--\s*(.*?)\s*-->", before)
            found.append(Block(page, number, match[2], mark[1] if mark else "", ""))
        elif bare:
            before = bare
    return found


def without_code(text):
    """The text of a page without its fenced blocks and code spans.

    >>> without_code("a `[b](c)`\\n```\\n# no\\n```\\nd")
    'a ``\\n\\nd'
    """
    text = re.sub(r"^[ ]*(```+|~~~+).*?^[ ]*\1[ ]*$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]+`", "``", text)


def slug(heading):
    """The anchor that a heading gets.

    >>> slug("What `up` means, and why")
    'what-up-means-and-why'
    """
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(text):
    """The anchors of a page's headings, the second of a name with `-1`."""
    found, fenced = {}, re.sub(r"^[ ]*(```+|~~~+).*?^[ ]*\1[ ]*$", "", text, flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", fenced, flags=re.M):
        name = slug(heading)
        count = found[name] = found.get(name, -1) + 1
        if count:
            found[f"{name}-{count}"] = 0
    return set(found)


def link_faults(page, text):
    """Links of a page that lead nowhere in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", without_code(text)):
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists():
            yield f"{page}: link leads nowhere: {target}"
        elif anchor and file.suffix == ".md":
            if anchor not in anchors(file.read_text(encoding="utf-8")):
                yield f"{page}: no such heading: {target}"


def mark_fault(block, steps):
    """What is wrong with the comment before a block, if anything."""
    first = block.text.split("\n", 1)[0]
    if block.language not in SHELL:
        judge = block.mark.partition(":")[0]
        for begin, wanted in MUST_SAY.items():
            if first.startswith(begin) and judge != wanted and not block.mark.startswith("not run:"):
                return f"a block that begins `{begin}` wants <!-- {wanted} --> before it"
        return None
    if block.mark in ("run", BESIDE, "run by: .ci/accept"):
        return None
    if match := re.fullmatch(r"run by: (\w+) of \.ci/run", block.mark):
        return None if match[1] in steps else f"no such step of .ci/run: {match[1]}"
    if re.fullmatch(r"not run: \S.*", block.mark):
        return None
    return "who runs this? Put <!-- run -->, <!-- run by: STEP of .ci/run --> or <!-- not run: REASON --> before it"


def card_faults():
    """Rules of presets that their cards do not name, and the other way round."""
    for preset in sorted((ROOT / "models" / "presets").glob("*.yml")):
        card = preset.with_suffix(".md")
        if not card.exists():
            yield f"{card.relative_to(ROOT)}: missing"
            continue
        rules = set(re.findall(r"^ *- name: (\w+)", preset.read_text(encoding="utf-8"), flags=re.M))
        named = set(re.findall(r"^\| `(\w+)` \|", card.read_text(encoding="utf-8"), flags=re.M))
        for rule in sorted(rules ^ named):
            yield f"{card.relative_to(ROOT)}: {rule} is in one of card and preset only"


def tracked():
    """Every file that is, or will be, part of the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return [Path(name) for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


class Workbench:
    """A copy of the repository in which a page's blocks are run and judged."""

    def __init__(self, files, binary, tools):
        self.folder = Path(tempfile.mkdtemp(prefix="docs-"))
        self.work, commands = self.folder / "work", self.folder / "bin"
        for file in files:
            (self.work / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, self.work / file)
        commands.mkdir()
        (commands / "bellwether").symlink_to(binary)
        path = [str(commands), *([str(tools)] if tools else []), os.environ["PATH"]]
        self.environment = {"PATH": ":".join(path), "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def close(self):
        """Removes it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def fault(self, block):
        """Runs or judges a block; what went wrong, or nothing."""
        if block.language in SHELL:
            if block.mark == BESIDE:
                return self.beside_server(block.text)
            return self.bash(block.text) if block.mark == "run" else None
        judge, _, name = block.mark.partition(":")
        if judge not in JUDGES:
            return None
        command, default = JUDGES[judge]
        kept = name.strip()
        file = self.work / (kept or f"block-{block.line}-{default}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        fault = self.call([*command, file.name], file.parent)
        if not kept:
            file.unlink()
        return fault

    def bash(self, text):
        """Runs a block of commands."""
        return self.call(["bash", "-euo", "pipefail", "-c", text])

    def beside_server(self, text):
        """Runs a block of commands while a bellwether listens on some port."""
        folder = self.folder / "server"
        folder.mkdir(exist_ok=True)
        (folder / "bellwether.yml").write_text("alerting: {}\n", encoding="utf-8")
        command = ["bellwether", "run", "--config", "bellwether.yml", "--listen", "127.0.0.1:0", "--data-dir", "data"]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, cwd=folder, env=self.environment, stdout=log, stderr=log,
                                      executable=self.folder / "bin" / "bellwether")
            try:
                address, end = folder / "data" / "listen.addr", time.monotonic() + SERVER_SECONDS_MAX
                while not (address.exists() and is_ready(address.read_text(encoding="utf-8").strip())):
                    if server.poll() is not None or time.monotonic() > end:
                        return f"bellwether does not start\n{(folder / 'log').read_text()}"
                    time.sleep(0.02)
                text = text.replace("127.0.0.1:2355", address.read_text(encoding="utf-8").strip())
                return self.bash(text.replace("curl -s", "curl -s --fail-with-body"))
            finally:
                server.terminate()
                server.wait()

    def call(self, command, folder=None):
        """Runs a command and ends whatever it leaves behind; its output if it failed."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            try:
                process = subprocess.Popen(
                    command, cwd=folder or self.work, env=self.environment, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                )
            except FileNotFoundError:
                return f"no such command: {command[0]} (see --tools)"
            try:
                code = process.wait(BLOCK_SECONDS_MAX)
                end = None if code == 0 else f"exit code {code}"
            except subprocess.TimeoutExpired:
                end = f"not done after {BLOCK_SECONDS_MAX} s"
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            if end is None:
                return None
            output.seek(0)
            return f"{end}\n{output.read()[-2000:]}".rstrip()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--binary", required=True, type=Path, help="the bellwether to run and judge with")
    options.add_argument("--tools", type=Path, help="folder of promtool and amtool")
    options.add_argument("pages", nargs="*", type=Path, help="only these; every page without")
    options = options.parse_args()
    if not os.access(options.binary, os.X_OK):
        sys.exit(f"docs: no binary: {options.binary}")
    files = tracked()
    pages = [page for page in files if page.suffix == ".md"]
    if options.pages:
        pages = [page.resolve().relative_to(ROOT) for page in options.pages]
    steps = set(re.findall(r"^step_(\w+)\(\)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), flags=re.M))
    faults, counts = list(card_faults()), {"pages": len(pages), "run": 0, "judged": 0, "run by others": 0, "not run": 0}
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        faults += link_faults(page, text)
        bench = None
        for block in blocks(page, text):
            if wrong := mark_fault(block, steps):
                faults.append(f"{block}: {wrong}")
                continue
            judge = block.mark.partition(":")[0]
            kind = {"run": "run", BESIDE: "run", "run by": "run by others", "not run": "not run"}.get(judge)
            kind = kind or ("judged" if judge in JUDGES else None)
            if kind:
                counts[kind] += 1
            if kind in ("run", "judged"):
                bench = bench or Workbench(files, options.binary.resolve(), options.tools)
                if wrong := bench.fault(block):
                    faults.append(f"{block}: {wrong}")
        if bench:
            bench.close()
    print("docs:", ", ".join(f"{name} {count}" for name, count in counts.items()))
    if faults:
        sys.exit("\n".join(faults) + f"\ndocs: {len(faults)} faults")


if __name__ == "__main__":
    main()

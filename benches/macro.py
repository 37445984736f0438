#!/usr/bin/env python3
"""Bellwether beside the receivers that people already run, on the same core, under the same load.

    benches/macro.py --binary target/release/bellwether --send target/release/examples/send \\
        --peers "$(.ci/peers)" [--quick] [--only PART...]

Peers are Debian's Prometheus and VictoriaMetrics, which store what they are sent; bellwether judges it instead: z-score,
quartiles and season on every sample, with calibration, lifecycle, journal (synced each second) and limits. All are sent the
same requests, of 2,000 samples with 10 labels each, by `send.rs`.

Each server is pinned to one core and the sender to another. Machines drift, so servers take turns, in rounds: while one has its
turn the others are stopped. What counts are ratios of medians. CPU time is utime and stime of the process, from the first byte
of a turn until SETTLE_SECONDS after the last, so that what a server puts off is counted as far as it comes to it by then.
Before any of it all memory that they may need is touched once: on a virtual machine the first touch of a page since it was started
costs several times what any later one does, whoever it is for.

Parts: `receivers` (CPU a sample, first sample of a series, latency at half of saturation), `checkpoints` (latency of bellwether
while it makes one checkpoint after the other), `curve` (bellwether with more and more series), `shards` (two on two cores against
one on one).
"""

import argparse
import json
import mmap
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

# Steps of the fleet: the first 200 are a quarter of an hour apart, so that after WARM all detectors of ours judge; the others, a
# minute apart, do for those that only store.
LONG_STEPS = 200
WARM = 270
PEER_WARM = 100
FASTER = 3
SETTLE_SECONDS = 2
# What all servers together take at the most.
TOUCHED_BYTES = 6 << 30
START_SECONDS_MAX = 30
TICKS = os.sysconf("SC_CLK_TCK")

CONFIG = """
journal: {{ sync: interval, sync_interval: 1s }}
checkpoints: {{ every: {checkpoint_every} }}
series: {{ active_max: 2000000 }}
runtime: {{ shards: {shards} }}
deep: {{ memory_bytes_max: 0 }}
defaults:
  detectors: [ zscore: {{}}, iqr: {{}}, seasonal: {{}} ]
sinks: {{ stdout: 'off' }}
log: {{ level: warn }}
"""


@dataclass
class Setting:
    """How much of everything."""

    rounds: int
    series: int
    # Of a turn. Ours takes many more a second, and holds some 130,000 in its queue, so it gets FASTER times as many.
    timed_samples: int
    latency_seconds: float
    curve: list


FULL = Setting(5, 100_000, 1_000_000, 4, [1_000, 10_000, 100_000, 1_000_000])
QUICK = Setting(3, 10_000, 100_000, 2, [1_000, 10_000])


@dataclass
class Server:
    """A process that is sent samples."""

    name: str
    command: list
    port: int
    cores: str
    process: subprocess.Popen = None
    idle_bytes: int = 0
    samples_sent: dict = field(default_factory=dict)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, path):
        self.process = subprocess.Popen(
            ["taskset", "-c", self.cores, *self.command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS_MAX
        while not answers(f"http://{self.address}{path}"):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended: {' '.join(self.command)}")
            if time.monotonic() > until:
                sys.exit(f"{self.name} does not answer")
            time.sleep(0.05)
        self.idle_bytes = self.resident_bytes()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def cpu_seconds(self):
        # The name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


def touch_memory():
    """Has the machine's host give it the memory that the servers will ask for."""
    with mmap.mmap(-1, TOUCHED_BYTES) as memory:
        for page in range(0, TOUCHED_BYTES, mmap.PAGESIZE):
            memory[page] = 1


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Bench:
    """Where everything is."""

    args: argparse.Namespace
    setting: Setting
    folder: Path

    def prometheus(self):
        folder, port = self.folder / "prometheus", free_port()
        config = self.folder / "prometheus.yml"
        config.write_text("")
        server = Server("prometheus", [
            f"{self.args.peers}/prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}",
            "--storage.tsdb.retention.time=100y", "--web.enable-remote-write-receiver",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], port, self.args.core)
        server.start("/-/ready")
        return server

    def victoria_metrics(self):
        folder, port = self.folder / "victoria-metrics", free_port()
        server = Server("victoria-metrics", [
            f"{self.args.peers}/victoria-metrics", f"-storageDataPath={folder}",
            f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y", "-loggerLevel=ERROR"],
            port, self.args.core)
        server.start("/health")
        return server

    def bellwether(self, name="bellwether", shards=1, cores=None, checkpoint_every="5m"):
        folder, port = self.folder / name, free_port()
        config = self.folder / f"{name}.yml"
        config.write_text(CONFIG.format(shards=shards, checkpoint_every=checkpoint_every))
        server = Server("bellwether", [
            self.args.binary, "run", "--config", str(config), "--data-dir", str(folder),
            "--listen", f"127.0.0.1:{port}"], port, cores or self.args.core)
        server.start("/ready")
        return server

    def samples(self, server):
        """How many are sent in a timed turn."""
        return self.setting.timed_samples * (FASTER if server.name == "bellwether" else 1)

    def send(self, server, series, steps, rate=0.0, timed=True):
        """Sends `steps` of `series`; what the sender says, and the CPU time of the server."""
        command = [
            "taskset", "-c", self.args.sender_core, self.args.send, "--address", server.address,
            "--series", f"{series.start}..{series.stop}", "--steps", f"{steps.start}..{steps.stop}",
            "--rate", str(rate), "--connections", "2", "--wait"]
        if not timed:
            command.append("--untimed")
        if rate:
            # One that cannot keep up shows that by its latency; nobody need wait for its end.
            command += ["--seconds-max", str(3 * self.setting.latency_seconds)]
        sender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if sender.stdout.readline() != "ready\n":
                sys.exit(f"the sender cannot send to {server.name}")
            before = server.cpu_seconds()
            said, _ = sender.communicate("\n")
        finally:
            if sender.poll() is None:
                sender.kill()
                sender.wait()
        if sender.returncode != 0:
            sys.exit(f"{server.name} did not take what it was sent")
        if timed:
            time.sleep(SETTLE_SECONDS)
        sent = json.loads(said)
        sent["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(sent["samples"], 1)
        return sent


def say(text=""):
    print(text, flush=True)


def median(values):
    return statistics.median(values)


def taken(sent):
    """Samples a second that a server took."""
    return sent["samples"] / sent["seconds"]


def spread(values, digits=2):
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def in_turns(servers, rounds, turn):
    """Has each server take its turn in each round, while the others are stopped; what `turn` gave, by name."""
    given = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers:
            others = [other for other in servers if other is not server]
            for other in others:
                other.pause()
            server.go_on()
            given[server.name].append(turn(server, number))
            for other in others:
                other.go_on()
    return given


def receivers(bench):
    """Ours against those that store."""
    setting = bench.setting
    series, rounds = setting.series, setting.rounds
    each = series // rounds
    servers = [bench.prometheus(), bench.victoria_metrics(), bench.bellwether()]
    try:
        first_step = {server.name: LONG_STEPS for server in servers} | {"bellwether": 0}
        created = in_turns(servers, rounds, lambda server, number: bench.send(
            server, range(number * each, (number + 1) * each),
            range(first_step[server.name], first_step[server.name] + 1)))
        say(f"\n{series} series, {rounds} rounds; median [least-most]")
        say("\nfirst sample of a new series, CPU us")
        ratios({name: [sent["cpu_us"] for sent in all] for name, all in created.items()}, 1)

        everything = range(each * rounds)
        next_step = {}
        for server in servers:
            start = first_step[server.name] + 1
            next_step[server.name] = WARM if start == 1 else start + PEER_WARM
            [other.pause() for other in servers if other is not server]
            bench.send(server, everything, range(start, next_step[server.name]), timed=False)
            [other.go_on() for other in servers if other is not server]

        def steps(server, samples):
            start = next_step[server.name]
            next_step[server.name] += max(1, round(samples / len(everything)))
            return range(start, next_step[server.name])

        ours, judged = servers[-1], "bellwether_samples_judged_total"
        before = figure(ours, judged)
        steady = in_turns(servers, rounds, lambda server, _: bench.send(
            server, everything, steps(server, bench.samples(server))))
        say("\nsample of a known series, CPU us")
        ratios({name: [sent["cpu_us"] for sent in all] for name, all in steady.items()}, 3)
        sent = sum(sent["samples"] for sent in steady["bellwether"])
        say(f"  of {sent:,} samples bellwether has judged {figure(ours, judged) - before:,.0f}")
        rates = {name: median([taken(sent) for sent in all]) for name, all in steady.items()}
        say("\nat saturation")
        for name, rate in rates.items():
            p99 = spread([sent["p99_ms"] for sent in steady[name]], 1)
            say(f"  {name:18} {rate:12,.0f} samples a second, request p99 {p99} ms")

        say("\nmemory a series, above that of the idle process")
        for server in servers:
            memory = server.resident_bytes() - server.idle_bytes
            say(f"  {server.name:18} {memory / len(everything):12,.0f} B")

        half = in_turns(servers, rounds, lambda server, _: bench.send(
            server, everything, steps(server, rates[server.name] / 2 * setting.latency_seconds),
            rate=rates[server.name] / 2))
        say("\nrequest p99 at half of its own saturation, ms")
        ratios({name: [sent["p99_ms"] for sent in all] for name, all in half.items()}, 1)
        slowest = min(rates.values()) / 2
        same = in_turns(servers, rounds, lambda server, _: bench.send(
            server, everything, steps(server, slowest * setting.latency_seconds), rate=slowest))
        say("\nrequest p99 at half of the saturation of the slowest, ms")
        ratios({name: [sent["p99_ms"] for sent in all] for name, all in same.items()}, 1)
    finally:
        [server.stop() for server in servers]


def ratios(values, digits):
    ours = median(values["bellwether"])
    for name, all in values.items():
        text = f"  {name:18} {spread(all, digits):>28}"
        if name != "bellwether" and ours > 0:
            text += f"   bellwether is 1/{median(all) / ours:.1f} of it"
        say(text)


def warm(bench, server, series):
    """Has bellwether know `series` so that every detector judges; CPU us of the first sample of each."""
    created = bench.send(server, series, range(1))
    bench.send(server, series, range(1, WARM), timed=False)
    return created["cpu_us"]


def timed(bench, server, series, next_step):
    """One turn of timed steps, from `next_step` on; what the sender says and the step after it."""
    steps = max(1, round(bench.samples(server) / len(series)))
    sent = bench.send(server, series, range(next_step, next_step + steps))
    return sent, next_step + steps


def checkpoints(bench):
    """Latency while checkpoints are made, against latency while none is."""
    series = range(bench.setting.series)
    say(f"\n{len(series)} series: request p99 at half of saturation, ms")
    values = {}
    for name, every in [("no checkpoint", "1h"), ("one after the other", "1s")]:
        server = bench.bellwether(f"checkpoints-{every}", checkpoint_every=every)
        try:
            warm(bench, server, series)
            sent, step = timed(bench, server, series, WARM)
            rate = taken(sent) / 2
            values[name], before = [], decided(server)
            for _ in range(bench.setting.rounds):
                steps = max(1, round(rate * bench.setting.latency_seconds / len(series)))
                sent = bench.send(server, series, range(step, step + steps), rate=rate)
                step += steps
                values[name].append(sent["p99_ms"])
            made = figure(server, "bellwether_checkpoints_total")
            decision = decision_p99_ms(before, decided(server))
            say(f"  {name:20} {spread(values[name], 1):>24}   at {rate:,.0f} samples a second, {made:.0f} made; "
                f"from arrival to decision {decision:.1f}")
        finally:
            server.stop()


def figures(server):
    """Its own metrics, by name and labels."""
    with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in
            (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def figure(server, name):
    """One of its own metrics."""
    return figures(server).get(name, 0.0)


def decided(server):
    """How many requests were decided within which time since they arrived, in seconds, since the start."""
    found = {}
    for name, count in figures(server).items():
        if name.startswith("bellwether_decision_latency_seconds_bucket"):
            found[float(name.partition('le="')[2].partition('"')[0])] = count
    return found


def decision_p99_ms(before, after):
    """99th percentile of the time from arrival to decision between the two, as Prometheus works it out."""
    counts = [(bound, after[bound] - before[bound]) for bound in sorted(after)]
    wanted = 0.99 * counts[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            share = (wanted - below) / (count - below) if count > below else 0.0
            return 1000 * (lower if bound == float("inf") else lower + (bound - lower) * share)
        lower, below = bound, count
    return 0.0


def curve(bench):
    """What more series cost."""
    say("\n    series    CPU us a sample           first sample   samples a second   memory a series")
    for count in bench.setting.curve:
        series = range(count)
        server = bench.bellwether(f"curve-{count}")
        try:
            first = warm(bench, server, series)
            step, all = WARM, []
            for _ in range(bench.setting.rounds):
                sent, step = timed(bench, server, series, step)
                all.append(sent)
            memory = (server.resident_bytes() - server.idle_bytes) / count
            cost = spread([sent["cpu_us"] for sent in all], 3)
            rate = median([taken(sent) for sent in all])
            say(f"{count:10,}    {cost:22}    {first:12.2f}    {rate:14,.0f}    {memory:10,.0f} B")
        finally:
            server.stop()
            shutil.rmtree(bench.folder / f"curve-{count}", ignore_errors=True)


def shards(bench):
    """Two shards on both cores against one on one; the sender has the other core, or a part of both."""
    series, rates = range(bench.setting.series), {}
    both = f"{bench.args.core},{bench.args.sender_core}"
    for count, cores in [(1, bench.args.core), (2, both)]:
        server = bench.bellwether(f"shards-{count}", shards=count, cores=cores)
        try:
            warm(bench, server, series)
            step, all = WARM, []
            for _ in range(bench.setting.rounds):
                sent, step = timed(bench, server, series, step)
                all.append(taken(sent))
            rates[count] = all
        finally:
            server.stop()
    say(f"\n{len(series)} series, samples a second")
    for count, all in rates.items():
        say(f"  {count} shard{'s' if count > 1 else ' '}   {spread(all, 0)}")
    say(f"  two shards take {median(rates[2]) / median(rates[1]):.2f} times what one takes")


PARTS = {"receivers": receivers, "checkpoints": checkpoints, "curve": curve, "shards": shards}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--binary", required=True, help="bellwether, built with --release")
    parser.add_argument("--send", required=True, help="the example `send` of the benches, built with --release")
    parser.add_argument("--peers", required=True, help="folder of prometheus and victoria-metrics")
    parser.add_argument("--core", default="0", help="core of the servers")
    parser.add_argument("--sender-core", default="1", help="core of the sender")
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that it works")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="bellwether-macro-") as folder:
        bench = Bench(args, QUICK if args.quick else FULL, Path(folder))
        touch_memory()
        for part in args.only:
            started = time.monotonic()
            say(f"\n== {part}")
            PARTS[part](bench)
            say(f"({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()

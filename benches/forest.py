#!/usr/bin/env python3
"""What scikit-learn's isolation forest takes for what the example `forest` measures, on one thread; needs scikit-learn.

    cargo build --release -p bellwether-benches --example forest
    benches/forest.py target/release/examples/forest

Runs both in turns and prints the ratios of medians, in CPU time.
"""

import re
import statistics
import subprocess
import sys
import time

import numpy
from sklearn.ensemble import IsolationForest

RECORDS, COLUMNS, ROUNDS = 50_000, 4, 5


def cost(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main():
    records = numpy.random.default_rng(7).normal(size=(RECORDS, COLUMNS))
    fits, scores, ours = [], [], {"fit": [], "score": []}
    for seed in range(ROUNDS):
        said = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout
        fit, score = re.search(r"bellwether: fit ([\d.]+) ms, score ([\d.]+) us", said).groups()
        ours["fit"].append(float(fit) / 1e3)
        ours["score"].append(float(score) / 1e6)
        forest = IsolationForest(n_estimators=100, max_samples=256, random_state=seed, n_jobs=1)
        took, _ = cost(lambda: forest.fit(records))
        fits.append(took)
        took, _ = cost(lambda: forest.score_samples(records))
        scores.append(took / RECORDS)
        print(said, end="")
    for name, theirs in [("fit", fits), ("score", scores)]:
        mine, other = statistics.median(ours[name]), statistics.median(theirs)
        print(f"{name}: scikit-learn {other * 1e6:,.1f} us, bellwether {mine * 1e6:,.2f} us: {other / mine:.1f} times as fast")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs a program of bench/ from two builds by turns, and sets their figures side by side.

What two builds differ by is smaller than what a machine's mood changes within minutes, so single
runs are not compared: each turn runs both, one after the other, and what counts is the median of
the turns' ratios. The builds take turns in going first.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path


def figures(build, name, options):
    """One run's figures by name and unit, in their order: {"memory, KiB": 6.2}."""
    command = [str(build / "bench" / name), "--json", "-", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench/compare.py: {' '.join(command)} ended with {done.returncode}")
    report = json.loads(done.stdout)
    return report["commit"], {f"{f['name']}, {f['unit']}": f["value"] for f in report["figures"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path, help="the build to compare with: its directory")
    parser.add_argument("name", help="the program, one of bench/")
    parser.add_argument("--build", type=Path, default=Path("build/release"),
                        help="the build that is new (%(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="how often both run (%(default)s)")
    arguments, options = parser.parse_known_args()

    builds = {"base": arguments.base, "new": arguments.build}
    commits, runs = {}, {"base": [], "new": []}
    for turn in range(arguments.turns):
        for which in sorted(builds, reverse=turn % 2 == 1):
            commits[which], run = figures(builds[which], arguments.name, options)
            runs[which].append(run)
            print(f"bench/compare.py: turn {turn + 1} of {arguments.turns}, {which}",
                  file=sys.stderr)

    print(f"{arguments.name} {' '.join(options)}, {arguments.turns} turns: "
          f"base {commits['base']}, new {commits['new']}")
    print(f"{'figure':52} {'base':>12} {'new':>12} {'ratio':>7}  (least to most)")
    for figure in runs["new"][0]:
        if any(figure not in run for run in runs["base"] + runs["new"]):
            continue
        base, new = ([run[figure] for run in runs[which]] for which in ("base", "new"))
        ratios = [n / b for b, n in zip(base, new) if b]
        spread = (f"{statistics.median(ratios):7.3f}  ({min(ratios):.3f} to {max(ratios):.3f})"
                  if ratios else "      -")
        medians = f"{statistics.median(base):12.5g} {statistics.median(new):12.5g}"
        print(f"{figure:52} {medians} {spread}")


if __name__ == "__main__":
    main()

"""bench/compare.py against builds whose programs are scripts with known figures."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COMPARE = Path(__file__).with_name("compare.py")

# Counts its runs in a file beside it, and prints the figure of that run.
PROGRAM = """#!/bin/sh
echo "$@" >>"$0.runs"
run=$(wc -l <"$0.runs")
sed -n "${run}p" "$0.reports"
"""


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def make_build(self, name, runs):
        """A build with a program `speed`; runs: {figure: value} for each of its runs."""
        bench = self.folder / name / "bench"
        bench.mkdir(parents=True)
        reports = [json.dumps({"commit": name, "figures": [
            {"name": figure, "value": value, "unit": "ms"} for figure, value in run.items()]})
            for run in runs]
        (bench / "speed.reports").write_text("\n".join(reports) + "\n")
        (bench / "speed").write_text(PROGRAM)
        os.chmod(bench / "speed", 0o755)
        return self.folder / name

    def compare(self, base, new, *options):
        return subprocess.run([sys.executable, COMPARE, base, "speed", "--build", new, *options],
                              capture_output=True, text=True, check=False)

    def test_the_median_of_the_turns_ratios_counts(self):
        # The third turn falls into a slow minute for both; the medians' ratio would be 1.0.
        base = self.make_build("old", [{"time": 10}, {"time": 20}, {"time": 40}])
        new = self.make_build("young", [{"time": 20}, {"time": 10}, {"time": 60}])
        done = self.compare(base, new, "--turns", "3", "--seconds", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("base old, new young", done.stdout)
        line = [line for line in done.stdout.splitlines() if line.startswith("time, ms")]
        self.assertEqual(line[0].split()[2:], ["20", "20", "1.500", "(0.500", "to", "2.000)"])
        runs = (base / "bench" / "speed.runs").read_text().splitlines()
        self.assertEqual(runs, ["--json - --seconds 2"] * 3)

    def test_what_one_build_alone_measures_is_left_out(self):
        base = self.make_build("old", [{"time": 1}])
        new = self.make_build("young", [{"time": 1, "memory": 5}])
        done = self.compare(base, new, "--turns", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("memory", done.stdout)

    def test_a_program_that_fails_ends_it(self):
        base = self.make_build("old", [{"time": 1}])
        (base / "bench" / "speed").write_text("#!/bin/sh\nexit 3\n")
        new = self.make_build("young", [{"time": 1}])
        done = self.compare(base, new, "--turns", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ended with 3", done.stderr)


if __name__ == "__main__":
    unittest.main()

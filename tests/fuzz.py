"""A long fuzz run: the fuzz tests again and again, each round from another seed; none begins once the time is over.

`python tests/fuzz.py --minutes 30`; FUZZ_EXAMPLES sets the examples of each test in a round, `--seed` repeats a round.
What a failing round printed is kept in fuzz-failures/; it ends with what Hypothesis needs to repeat the failure.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "fuzz-failures"
TESTS = sorted(str(path) for path in (ROOT / "tests").glob("test_fuzz_*.py"))


def run_round(seed: int) -> bool:
    """One round; whether it found nothing."""
    print(f"round with --seed {seed}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--hypothesis-seed={seed}", *TESTS]
    settings = {"FUZZ_EXAMPLES": "500"} | os.environ | {"FUZZ_SEED": str(seed), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, check=False)
    print(done.stdout.decode(errors="replace").rstrip().rpartition("\n")[2], flush=True)
    if done.returncode:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{seed}.txt").write_bytes(done.stdout)
        print(f"kept in {KEPT.name}/{seed}.txt", flush=True)
    return not done.returncode


def main() -> int:
    """Rounds until the time is over; 1 where one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, help="this round only, to its end")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return 0 if run_round(chosen.seed) else 1
    end, sound = time.monotonic() + chosen.minutes * 60, True
    while time.monotonic() < end:
        sound = run_round(random.SystemRandom().randrange(10**9)) and sound
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())

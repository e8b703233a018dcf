"""A long fuzz run: the fuzz tests again and again, each round from another seed, until the time is over.

`python tests/fuzz.py --minutes 30`; FUZZ_EXAMPLES sets the examples of each test in a round, `--seed` repeats a round.
What a failing round printed is kept in fuzz-failures/; it ends with what Hypothesis needs to repeat the failure.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "fuzz-failures"
TESTS = sorted(str(path) for path in (ROOT / "tests").glob("test_fuzz_*.py"))


def run_round(seed: int, left: float) -> bool:
    """One round; whether it found nothing. It is broken off, which is no failure, when the time is over."""
    print(f"round with --seed {seed}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--hypothesis-seed={seed}", *TESTS]
    settings = {"FUZZ_EXAMPLES": "1000"} | os.environ | {"FUZZ_SEED": str(seed), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, start_new_session=True) as process:
        told = _told_by(process, left)
    print(told.rstrip().rpartition("\n")[2], flush=True)
    sound = "\nFAILED " not in told and "\nERROR " not in told
    if not sound:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{seed}.txt").write_text(told, encoding="utf-8")
        print(f"kept in {KEPT.name}/{seed}.txt", flush=True)
    return sound


def _told_by(process: subprocess.Popen[bytes], left: float) -> str:
    """What pytest prints; interrupted, it still tells what has failed so far."""
    try:
        told, _ = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            told, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            told, _ = process.communicate()
    return told.decode(errors="replace")


def main() -> int:
    """Rounds until the time is over; 1 where one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, help="this round only, to its end")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return 0 if run_round(chosen.seed, 24 * 3600) else 1
    end, sound = time.monotonic() + chosen.minutes * 60, True
    while (left := end - time.monotonic()) > 1:
        sound = run_round(random.SystemRandom().randrange(10**9), left) and sound
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())

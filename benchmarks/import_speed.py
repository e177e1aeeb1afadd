"""How long `import headlab` and `headlab --help` take, beside an empty Python in the same run.

PYTHONPATH=. python benchmarks/import_speed.py [--repeat 7]
"""

import argparse
import statistics
import subprocess
import sys
import time

KINDS = {
    "an empty Python": ["-c", "pass"],
    "import headlab": ["-c", "import headlab"],
    "headlab --help": ["-m", "headlab", "--help"],
    "import torch": ["-c", "import torch"],
}


def seconds(arguments: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(options.repeat):
        for kind, arguments in KINDS.items():
            times[kind].append(seconds(arguments))
    for kind, found in times.items():
        print(f"{kind}: {statistics.median(found):.2f} s ({min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""What `import semveil` and `semveil --version` cost, beside a bare interpreter; fails where they load what
they must not.
"""

import resource
import subprocess
import sys

HEAVY = ("torch", "numpy", "matplotlib", "scipy", "skimage", "dlib", "cv2", "gradio")
MOST_SECONDS = 1.0  # of CPU, over a bare interpreter; today a third of that on a slow machine
PROGRAMS = {
    "nothing": "pass",
    "import semveil": "import semveil",
    "semveil --version": "from semveil.cli.main import main; main(['--version'])",
}


def seconds(code: str) -> float:
    """CPU seconds of a process that runs the code, the least of three."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def loaded(code: str) -> list[str]:
    """Heavy packages that the code has loaded when it is done."""
    asked = f"import sys\n{code}\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return done.stderr.split()


def main() -> int:
    bare, failed = seconds(PROGRAMS["nothing"]), 0
    for name, code in PROGRAMS.items():
        spent, heavy = seconds(code) - bare, loaded(code)
        print(f"{name:20}{spent:6.2f} s  {' '.join(heavy)}")
        failed += spent > MOST_SECONDS or bool(heavy)
    return failed


if __name__ == "__main__":
    sys.exit(main())

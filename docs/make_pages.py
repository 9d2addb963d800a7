"""Update every page that a maker writes, with the figures that belong to it.

    python docs/make_pages.py [NAME ...]

A name is that of a maker without make_ and .py, such as nonlocal_page; without names all are run.
To be run after results or entries of the leaderboard change. A maker that fails is reported at the
end, and the others are run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from making import DOCS

NAMES = sorted(path.stem.removeprefix("make_") for path in DOCS.glob("make_*.py"))
NAMES.remove("pages")


def main(names: Sequence[str]) -> int:
    """Run makers, each in its own process; return 1 if one fails."""
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.stderr.write(f"there is no maker {', '.join(sorted(unknown))}: {', '.join(NAMES)}\n")
        return 2
    failed = []
    for name in names or NAMES:
        sys.stdout.write(f"make_{name}.py\n")
        sys.stdout.flush()
        script = DOCS / f"make_{name}.py"
        command = [sys.executable, str(script)]
        if subprocess.run(command, cwd=DOCS.parent, check=False).returncode:  # noqa: S603
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m benchmarks``: the gateway beside others, or what the first word names of ``COMMANDS``."""

from __future__ import annotations

import sys

from . import growth, ledger, profile, proxies, records, start, workers

COMMANDS = {
    "growth": growth.main,
    "ledger": ledger.main,
    "profile": profile.main,
    "records": records.main,
    "start": start.main,
    "workers": workers.main,
}


def main() -> None:
    first, *others = sys.argv[1:] or [""]
    if first in COMMANDS:
        COMMANDS[first](others)
    else:
        proxies.main(sys.argv[1:])


if __name__ == "__main__":
    main()

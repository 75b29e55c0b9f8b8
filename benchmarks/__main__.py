"""``python -m benchmarks``, the gateway beside a bare proxy; with ``ledger`` or ``records``, what its storage takes."""

from __future__ import annotations

import sys

from . import ledger, proxies, records

COMMANDS = {"ledger": ledger.main, "records": records.main}


def main() -> None:
    first, *others = sys.argv[1:] or [""]
    if first in COMMANDS:
        COMMANDS[first](others)
    else:
        proxies.main(sys.argv[1:])


if __name__ == "__main__":
    main()

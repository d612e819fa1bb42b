"""`make test-api`: schemathesis with all that it has over the whole API, for minutes, as an admin and as nobody."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from support import schemathesis
from support.servers import PostgresServer
from support.service import served


def main() -> int:
    """1 where an answer was none of those that are declared, or an error of ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    asked = parser.parse_args()
    for name, why in schemathesis.LEFT_OUT.items():
        print(f"left out: {name}: {why}")
    server = PostgresServer()
    try:
        with served(server) as service, tempfile.TemporaryDirectory() as folder:
            for token in (schemathesis.admins_token(service), None):
                time = ("--max-time", str(round(asked.minutes * 30)))
                fault = schemathesis.run(service, Path(folder), token, *time)
                who = "an admin" if token else "nobody"
                print(f"asked as {who}: {fault or 'no answer but those that are declared'}")
                if fault:
                    return 1
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

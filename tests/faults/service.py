"""What a service withstands: `python tests/faults/service.py --report docs/benchmarks/service-faults.md`.

Hostile requests (`hostile.py`), and kills under load (`service_campaign.py`). Exits with 1 where anything got in or was lost.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from bench.machine import processor
from faults import hostile, service_campaign

_PAGE = """# Faults in the service

What `make test-service-faults` does: it sends hostile requests to a real `maskloom serve`, and kills (`kill -9`) API,
scheduler, bridge and PostgreSQL at random while programs ask the service.

{day}: {processor}, {cores} cores, Python {python}. Load average at the end: {load:.1f}.

## Killed under load

People start, pause and resume runs, make and revoke tokens, give roles, upload and export; runs compute next to nothing.
What is killed is started again within two seconds, as by a supervisor. Then every request that was answered with success is
looked for in the catalog, and every run is compared with the same run that nobody disturbed: id, status, rounds and final
checkpoint. No run here waits for readers, so that the bridge has little to do: `review-faults.md` is about those.

{kills}
## Hostile requests

Made from the OpenAPI document: each parameter and field has each text, each operation is asked by each caller who is not who
they say. None may be answered with a success that its sender may not have, with 5xx but 503, or with anything of
somebody else's. Afterwards the rows of the catalog are counted, and the audit trail and the log are read.

{hostile}"""


def main() -> int:
    """Run both and write the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=service_campaign.KILLS)
    parser.add_argument("--report", type=Path, default=Path("docs/benchmarks/service-faults.md"))
    options = parser.parse_args()
    killed = service_campaign.run(options.seed, options.kills)
    attacked = hostile.run()
    page = _PAGE.format(
        day=datetime.now(UTC).date(),
        processor=processor(),
        cores=psutil.cpu_count(),
        python=platform.python_version(),
        load=os.getloadavg()[0],
        kills=service_campaign.section(killed),
        hostile=hostile.section(attacked),
    )
    options.report.write_text(page)
    print(page)
    return 1 if killed.problems or attacked.problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""An instance of a local compute: one Dask worker without a nanny, run as ``python -m batchmagic.compute.worker``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from batchmagic import orphans
from batchmagic.compute.first import act_first
from batchmagic.compute.lifeline import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLOSE_SECONDS = 0.5
"""What the worker's own ending may take of the time that its host grants."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the host asks this process to end, is gone, or the connection to it is lost."""
    options = _parse(arguments)
    # Before the imports, which take most of the start.
    die_with_parent(parent=options.parent, lifeline=options.lifeline)
    orphans.adopt()

    act_first(options.first)

    import asyncio  # noqa: PLC0415

    code = 1
    try:
        asyncio.run(_serve(options))
        code = 0
    except Exception:  # noqa: BLE001  # whatever it was goes to the log, and the host sees the code
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of leases that do not end must not hold the process.
        os._exit(code)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batchmagic.compute.worker")
    parser.add_argument("--scheduler", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--nthreads", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--first", type=int)
    return parser.parse_args(arguments)


async def _serve(options: argparse.Namespace) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    import dask  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    from batchmagic.compute.servers import LeanWorker  # noqa: PLC0415
    from batchmagic.compute.tuning import DASK_SETTINGS  # noqa: PLC0415

    dask.config.set(DASK_SETTINGS)
    worker = LeanWorker(
        options.scheduler,
        name=options.name,
        nthreads=options.nthreads,
        host="127.0.0.1",
        dashboard=False,
        memory_limit=0,
        local_directory=os.getcwd(),  # noqa: PTH109  # the scratch folder that the host made for this process
        security=Security(require_encryption=True),
    )
    closing: list[asyncio.Task[object]] = []

    def close() -> None:
        closing.append(asyncio.ensure_future(worker.close(timeout=_CLOSE_SECONDS, executor_wait=False)))

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, close)
    await worker
    await worker.finished()
    await asyncio.gather(*closing)


if __name__ == "__main__":
    main()

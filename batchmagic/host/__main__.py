"""``python -m batchmagic.host``: the compute host's process."""

from __future__ import annotations

import logging
import os
import sys
import traceback

from batchmagic.host.main import main

if __name__ == "__main__":
    code = 1
    try:
        code = main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 -- whatever it was goes to the log, and the supervisor sees the code
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        # A driver that hangs, or a thread of a library's, must not hold a process that has no claim any more.
        os._exit(code)

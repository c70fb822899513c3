"""``python -m batchmagic.host --workspace DIR --compute NAME``: started by the supervisor."""

import sys

from batchmagic.host.main import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m batchmagic`` is the command line."""

import sys

from batchmagic.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

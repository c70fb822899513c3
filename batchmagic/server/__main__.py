"""``python -m batchmagic.server``: the same as ``jupyter batchmagic``."""

from batchmagic.server.app import main

if __name__ == "__main__":
    main()

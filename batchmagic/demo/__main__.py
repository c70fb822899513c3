"""The entry point of ``python -m batchmagic.demo``."""

from __future__ import annotations

import sys

from batchmagic.demo.main import main

sys.exit(main())

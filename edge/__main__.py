"""``python -m edge`` is ``hall-edge``."""

import sys

from edge.cli import main

sys.exit(main())

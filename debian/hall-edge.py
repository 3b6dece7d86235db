#!/usr/lib/hall-edge/bin/python -IB
import sys

from edge.cli import main

sys.exit(main())

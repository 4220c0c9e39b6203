"""``python -m pyomo_dlmp.cli``."""

import sys

from pyomo_dlmp.cli import main

sys.exit(main())

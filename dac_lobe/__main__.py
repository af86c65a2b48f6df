"""``python -m dac_lobe``: the command line.

Authors
 * The dac-lobe developers 2026
"""

import sys

from dac_lobe.cli import main

if __name__ == "__main__":
    sys.exit(main())

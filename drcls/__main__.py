"""`python -m drcls` is the command `drcls`."""

import sys

from drcls.cli import main

if __name__ == "__main__":
    sys.exit(main())

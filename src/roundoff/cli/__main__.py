"""`python -m roundoff.cli`."""

import sys

from roundoff.cli.program import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m fusiondrive`: the same door as the console script."""

import sys

from fusiondrive.door import main

if __name__ == "__main__":
    sys.exit(main())

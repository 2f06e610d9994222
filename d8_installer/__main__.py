"""``python -m d8_installer``: the same door as the console script."""

import sys

from d8_installer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

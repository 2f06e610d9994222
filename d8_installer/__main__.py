"""``python -m d8_installer``: the same as the console script."""

from d8_installer.cli.main import main

if __name__ == "__main__":
    main()

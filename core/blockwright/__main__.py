"""`python -m blockwright`: the command line, for a Python whose scripts are not on the path."""

from blockwright.cli import main

if __name__ == "__main__":
    main()

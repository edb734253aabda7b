"""``python -m vividlive``."""

from vividlive.cli import main

if __name__ == "__main__":
    main()

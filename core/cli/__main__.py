"""`python -m core.cli` is `settle`."""

from core.cli import main

if __name__ == "__main__":
    main(prog_name="settle")

"""`python -m cim` is the `cim` command."""

from cim.cli import main

if __name__ == "__main__":
    main(prog_name="cim")

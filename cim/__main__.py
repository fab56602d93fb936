"""`python -m cim` is the `cim` command."""

from cim.cli import program

if __name__ == "__main__":
    program()

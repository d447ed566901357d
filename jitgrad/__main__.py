"""`python -m jitgrad`: the command line, see `jitgrad.cli`."""

from jitgrad.cli import main

main(prog_name="python -m jitgrad")

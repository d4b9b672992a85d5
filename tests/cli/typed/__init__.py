"""How tests of the command line run it."""

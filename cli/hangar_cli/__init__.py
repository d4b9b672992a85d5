"""The command `hangar`: words, options, colours and exit codes round the calls of `hangar_core`."""

"""One module per command. `hangar_cli.main` imports the one that runs, and nothing imports them all."""

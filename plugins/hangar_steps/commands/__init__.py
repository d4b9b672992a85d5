"""The commands of the package, which enter by the socket `hangar.commands`."""

"""The commands of the server, one file each; loaded when they are called."""

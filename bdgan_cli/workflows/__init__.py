"""What each command does, as one documented call on a frozen configuration: the Python API."""

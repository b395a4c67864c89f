"""Speed, measured: not part of the tests, because absolute times depend on the machine."""

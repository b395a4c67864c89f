"""The command line: parses options, calls one workflow, prints its result."""

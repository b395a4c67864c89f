"""The procedural world behind the embedded generator: pictures whose exact masks are known."""

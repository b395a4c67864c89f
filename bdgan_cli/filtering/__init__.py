"""What decides whether a labelled sample is kept: uncertainty, rejection and rules."""

"""What every training shares: the order of samples, feeding, schedules, checkpoints, and the loop."""

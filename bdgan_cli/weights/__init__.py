"""Model cards, the files behind them, and the one registry that loads them."""

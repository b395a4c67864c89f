"""``python -m bdgan_cli`` is ``bdgan``; ``torchrun -m bdgan_cli`` starts it on several ranks."""

from bdgan_cli.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

"""``python -m evaluation``: the same as ``dac-lobe-evaluate``."""

from evaluation.cli import main

if __name__ == "__main__":
    main()

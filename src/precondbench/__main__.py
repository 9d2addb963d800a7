"""``python -m precondbench``."""

from precondbench.cli import main

main()

"""Where the files of stock KerasTuner are that `tests.stock.stock_study` made."""

from pathlib import Path

DATA = Path(__file__).with_name("data")
FINISHED, KILLED = DATA / "finished", DATA / "killed"
"""Each holds the project `stock` and, in `board`, its event files."""

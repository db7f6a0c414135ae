"""A small search of the digits and its final network, as the commands make them."""

from tests.called import search

CHEAP = ["layers=1:2", "units_1=32:64", "units_2=32:64", "batch_size=128", "batch_norm=False"]
CHEAP += ["precision=bfloat16", "use_l2=True"]

EPOCHS = 4


def make(logs):
    """Make the search `s`, finished, and `s-final` with its test set opened.

    The search has three trials of 2 epochs and, promoted or begun with them, five of 4.
    """
    fixes = [word for fix in CHEAP for word in ("--fix", fix)]
    hyperband = ["--max-epochs", EPOCHS, "--factor", 2, "--min-epochs", 2]
    for step in (
        ["run", "--study", "s", "--dataset", "digits", *hyperband, *fixes],
        ["final", "--study", "s", "--top", 2, "--seeds", 2, "--augment", "flip"],
    ):
        done = search(*step, "--logs", logs)
        assert done.returncode == 0, done.stderr

"""The test set, opened once: the ledger, the declared models and the model card."""

"""Runs a study: workers train, and the driver alone writes its files."""

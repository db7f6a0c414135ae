"""The words of a report in Spanish."""

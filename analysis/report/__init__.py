"""The report: chapters of text, tables, figures and checks, and the files they are written to."""

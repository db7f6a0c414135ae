"""What a person types and sees: options, live display, summary and plan."""

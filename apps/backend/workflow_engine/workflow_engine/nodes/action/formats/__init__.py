"""File formats: what each one looks like as JSON, and back."""

"""What speaks for a label, and what others have published."""

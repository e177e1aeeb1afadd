"""What heads do over many prompts, and how two profiles differ."""

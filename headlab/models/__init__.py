"""Everything that touches torch and transformers."""

"""Pictures on their way to annotators and back: one module for each tool, and the check that masks belong to them."""

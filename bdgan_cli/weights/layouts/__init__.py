"""The layouts of public weight files: how each is recognised by its keys, and how it becomes what a builder loads."""

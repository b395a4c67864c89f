"""The page of a study."""


def study_page(result):
    """Stub for the moment."""
    return "x"

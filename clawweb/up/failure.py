class Failure(Exception):
    """`up` cannot go on; the text is one sentence for the user. The process ends with status 1."""

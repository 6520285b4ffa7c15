"""The one exception for mistakes that the user can mend."""


class InputError(ValueError):
    """Bad input: the message is one sentence that says what was expected, what was received and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """

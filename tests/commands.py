"""A command of the command line, run in this process as a user would type it."""

from utils import cli


def said(capsys, *arguments) -> tuple[int, str, str]:
    """Its exit code, and what it wrote to standard output and to standard error."""
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err

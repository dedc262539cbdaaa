"""The accounts of the Hub's users in this container, which `hub-user` manages."""

import pwd
import re

from oauth_settings import NAME

FIRST = 20000  # as in hub-user


def is_account(name: str) -> bool:
    """Whether `hub-user` can have created this account."""
    if not re.fullmatch(NAME, name):
        return False
    try:
        return pwd.getpwnam(name).pw_uid >= FIRST
    except KeyError:
        return False


def may_log_in(name: str) -> bool:
    """Whether the account exists and has not been removed."""
    return is_account(name) and not pwd.getpwnam(name).pw_shell.endswith("/nologin")

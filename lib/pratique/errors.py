"""Every error that a user can mend, with the exit status that the command line gives for it.

    PratiqueError            70
    ├── UsageError           64  wrong arguments, an unknown name
    ├── DataError            65  input that cannot be read as what it claims to be
    ├── MissingError         66  a file, service, revision or time range that is not there
    ├── UnavailableError     69  a store, balancer, collector or release that does not answer
    ├── StorageError         74  a disk that is full or broken
    ├── BusyError            75  somebody else holds the lock: try again later
    ├── DeniedError          77  rights that are missing
    └── ConfigError          78  a service file that is wrong

The statuses are those of BSD's sysexits.h. A message is one line: what was wrong, with which input,
what to do.
"""


class PratiqueError(Exception):
    """Base of every error of this package; catching it catches them all."""

    exit_status = 70

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


class UsageError(PratiqueError):
    """The call itself is wrong: an argument, an option, a parameter, an unknown name."""

    exit_status = 64


class DataError(PratiqueError):
    """The input is not what it claims to be: a wrong format, a truncated file, a clock going back."""

    exit_status = 65


class MissingError(PratiqueError):
    """What was asked for is not there: a file, a service, a revision, a time range without requests."""

    exit_status = 66


class UnavailableError(PratiqueError):
    """A part that should answer does not: store, balancer, collector, release."""

    exit_status = 69


class StorageError(PratiqueError):
    """The disk is full or broken; nothing that was written before is lost."""

    exit_status = 74


class BusyError(PratiqueError):
    """Somebody else holds the lock; the message names the holder and the reason."""

    exit_status = 75


class DeniedError(PratiqueError):
    """The rights are missing; the message names the path."""

    exit_status = 77


class ConfigError(PratiqueError):
    """The service file is wrong; the message names file, line and key."""

    exit_status = 78

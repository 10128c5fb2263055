"""Root of the errors, and the names, values and texts in their messages."""

from collections.abc import Iterable

MAX_SHOWN_NAMES = 12
"""Maximum number of alternatives in a message."""


def format_names(names: Iterable[object]) -> str:
    """Format names for a message: at most `MAX_SHOWN_NAMES`, then the number of the others."""
    every = [str(name) for name in names]
    more = f" (+{len(every) - MAX_SHOWN_NAMES} more)" if len(every) > MAX_SHOWN_NAMES else ""
    return (", ".join(every[:MAX_SHOWN_NAMES]) or "none") + more


def format_value(value: object) -> str:
    """Format a rejected value for a message, in the words of JSON: `null`, `true` and `false`."""
    words = {type(None): "null", bool: str(value).lower()}
    return words.get(type(value)) or repr(value)


def escape_unprintable(text: str) -> str:
    """Escape what is not printable, such as line breaks and bytes of a file name that are no UTF-8."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class ServicioError(Exception):
    """Root of the errors that users see as a message without a traceback."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the attributes and skip the constructor, whose parameters differ from `args`."""
        return _restore_error, (type(self), self.args, self.__dict__)


def _restore_error(
    kind: type[ServicioError], args: tuple[object, ...], attributes: dict[str, object]
) -> Exception:
    restored = kind.__new__(kind, *args)
    restored.args = args
    restored.__dict__.update(attributes)
    return restored

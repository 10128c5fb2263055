"""Reasons of a draft: sentences that pages recognize by their templates, to translate them."""

SEPARATOR = "; "
"""Text between the sentences of a reason; no template has it."""


def format_reason(template: str, /, **values: object) -> str:
    """Format a sentence.

    Args:
        template: Sentence with placeholders such as `{number}`, a literal: it is the key of the catalogue
            `server.po` of the pages.
        values: Values of the placeholders.
    """
    return template.format(**values)


def join_reasons(*sentences: str) -> str:
    """Join sentences; the empty ones are left out."""
    return SEPARATOR.join(filter(None, sentences))

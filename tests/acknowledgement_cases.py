"""Requests for an acknowledgement that every interface refuses, with the words of the error."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest:
    """A request that is refused.

    Attributes:
        feature: Feature of the request.
        days: Days from today to the last one; None for a text that is no day.
        text: Last day where `days` is None.
        reason: Reason of the request.
        said: Words of the error.
    """

    feature: str = "size"
    days: int | None = 1
    text: str = ""
    reason: str = "it is known"
    said: tuple[str, ...]


REFUSED = {
    "an unknown feature": RefusedRequest(
        feature="length", said=("'length' is unknown", "size", "prediction")
    ),
    "a feature without drift": RefusedRequest(feature="weight", said=("'weight'", "has not drifted", "30d")),
    "yesterday": RefusedRequest(days=-1, said=("has passed", "give a day from")),
    "in two years": RefusedRequest(days=700, said=("is too far ahead", "give a day from")),
    "no day": RefusedRequest(days=None, text="soon", said=("'soon' is no day", "YYYY-MM-DD")),
    "a week": RefusedRequest(days=None, text="2020-W40-1", said=("'2020-W40-1' is no day",)),
    "no reason": RefusedRequest(reason=" ", said=("reason is empty",)),
}

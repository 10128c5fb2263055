"""Shares of the traffic: reached, and changed without a client that flips back."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.rollout.traffic import VersionShares, choose_version, scale_digest

CLIENTS = [f"client {number}" for number in range(20_000)]
STEPS = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("share", STEPS)
def test_a_share_is_reached(share: float) -> None:
    found = sum(choose_version(each, 3, {4: share}) == 4 for each in CLIENTS) / len(CLIENTS)
    assert found == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / len(CLIENTS)))


def test_the_shares_of_several_versions_are_reached() -> None:
    found = Counter(choose_version(each, 3, {4: 0.2, 5: 0.3}) for each in CLIENTS)
    assert {each: found[each] / len(CLIENTS) for each in (3, 4, 5)} == pytest.approx(
        {3: 0.5, 4: 0.2, 5: 0.3}, abs=0.015
    )


@given(st.text(), st.lists(st.floats(min_value=0, max_value=1), min_size=2, max_size=8))
def test_a_client_never_leaves_a_version_whose_share_grows(client: str, shares: list[float]) -> None:
    answered = [choose_version(client, 3, {4: share}) == 4 for share in sorted(shares)]
    assert answered == sorted(answered)


@given(
    st.text(),
    st.floats(min_value=0, max_value=0.4),
    st.floats(min_value=0, max_value=0.4),
    st.floats(min_value=0, max_value=0.2),
)
def test_so_it_is_among_several_versions(client: str, share: float, other: float, more: float) -> None:
    before = choose_version(client, 3, {4: share, 5: other})
    after = choose_version(client, 3, {4: share + more, 5: other})
    assert before != 4 or after == 4


def test_the_clients_of_one_rollout_are_not_those_of_the_next() -> None:
    """Else they would meet every new version first; champion is the former challenger, or the same again."""
    first = {each for each in CLIENTS if choose_version(each, 3, {4: 0.05}) == 4}
    for champion in (3, 4):
        second = {each for each in CLIENTS if choose_version(each, champion, {5: 0.05}) == 5}
        assert len(first & second) < 0.15 * len(first)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_champion_gets_the_rest_whatever_share_is_named_for_it(share: float) -> None:
    """When the alias has moved, and the rollout is not confirmed yet, the challenger is the champion."""
    assert {choose_version(each, 4, {4: share}) for each in CLIENTS[:100]} == {4}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({}, {3}),
        ({4: 0.0}, {3}),
        ({4: math.nan, 5: -1.0}, {3}),
        ({4: 0.7, 5: 0.7}, {4, 5}),
        ({4: 0.1, 5: 0.2, 6: 0.7}, {4, 5, 6}),
    ],
    ids=["none", "zero", "no shares", "above 1", "all"],
)
def test_odd_shares_find_a_version(shares: dict[int, float], expected: set[int]) -> None:
    assert {choose_version(each, 3, shares) for each in CLIENTS[:300]} == expected


@pytest.mark.parametrize("digest", [bytes(8), b"\xff" * 8], ids=["smallest", "largest"])
def test_every_digest_lies_between_0_and_1(digest: bytes) -> None:
    assert 0 < scale_digest(digest) < 1


def test_later_shares_apply_from_their_time_on() -> None:
    shares = VersionShares(shadow=0.2, shares={4: 0.01}, later={4: 0.05}, since=100.0)
    assert [shares.get_shares(now) for now in (99.9, 100.0, 101.0)] == [{4: 0.01}, {4: 0.05}, {4: 0.05}]
    assert VersionShares(shares={4: 0.01}).get_shares(1e12) == {4: 0.01}

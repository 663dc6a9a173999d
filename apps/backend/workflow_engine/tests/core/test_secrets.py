"""Envelope encryption: what opens, what does not, and what a new master key changes."""

from __future__ import annotations

import pytest

from workflow_engine.core.secrets import Keyring, NoSecretKey, Sealed, Unreadable

OLD, NEW = "o" * 32, "n" * 40


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    keys = Keyring(NEW)
    sealed = keys.seal(b"hunter2", "cred_1")
    assert keys.open(sealed, "cred_1") == b"hunter2"
    assert b"hunter2" not in sealed.data + sealed.wrapped_key
    assert keys.seal(b"hunter2", "cred_1").data != sealed.data, "every secret has a data key of its own"


def test_a_row_copied_over_another_does_not_open() -> None:
    keys = Keyring(NEW)
    with pytest.raises(Unreadable, match="another credential"):
        keys.open(keys.seal(b"hunter2", "cred_1"), "cred_2")


def test_parts_of_two_rows_do_not_fit_together() -> None:
    keys = Keyring(NEW)
    one, two = keys.seal(b"one", "cred_1"), keys.seal(b"two", "cred_1")
    with pytest.raises(Unreadable):
        keys.open(Sealed(one.key_id, one.wrapped_key, two.data), "cred_1")


@pytest.mark.parametrize("data", [b"", b"short", bytes(60)])
def test_broken_bytes_are_told_as_such(data: bytes) -> None:
    keys = Keyring(NEW)
    with pytest.raises(Unreadable, match="changed"):
        keys.open(Sealed(keys.current_id, keys.seal(b"x", "c").wrapped_key, data), "c")


def test_an_old_key_opens_and_a_rewrapped_secret_no_longer_needs_it() -> None:
    before = Keyring(OLD).seal(b"hunter2", "cred_1")
    both = Keyring(NEW, [OLD])
    assert both.open(before, "cred_1") == b"hunter2"
    after = both.rewrap(before, "cred_1")
    assert after.data == before.data, "the secret itself is not touched"
    assert Keyring(NEW).open(after, "cred_1") == b"hunter2"
    with pytest.raises(Unreadable, match="SECRET_KEYS_OLD"):
        Keyring(NEW).open(before, "cred_1")


@pytest.mark.parametrize(("key", "why"), [("", "not set"), ("your-secret-key-here", "has 20 characters")])
def test_without_a_good_key_nothing_is_sealed_and_the_way_out_is_told(key: str, why: str) -> None:
    with pytest.raises(NoSecretKey, match=rf"{why}.*keys generate"):
        Keyring(key).seal(b"x", "c")


def test_a_weak_new_key_does_not_lock_out_what_old_ones_open() -> None:
    sealed = Keyring(OLD).seal(b"x", "c")
    assert Keyring("weak", [OLD]).open(sealed, "c") == b"x"

"""Puts every stored credential under the current SECRET_KEY."""

from __future__ import annotations

from dataclasses import dataclass, field

from workflow_engine.core.secrets import Keyring, Sealed, Unreadable
from workflow_engine.models import credentials
from workflow_engine.models.database import connect
from workflow_engine.models.migrate import upgrade


@dataclass(slots=True)
class Rotation:
    """What a rotation did."""

    key_id: str
    rewrapped: int = 0
    left: dict[str, str] = field(default_factory=dict[str, str])
    """Why, by credential id."""


def rotated(url: str, keys: Keyring) -> Rotation:
    """Rewraps the data key of every credential in the database at `url`; may run beside the server and be repeated.

    Raises NoSecretKey, StoreUnavailable, NewerSchema.
    """
    keys.require()
    upgrade(url)
    done = Rotation(keys.current_id)
    engine = connect(url)
    try:
        for row in credentials.not_under(engine, keys.current_id):
            try:
                sealed = keys.rewrap(Sealed(row.key_id, row.wrapped_key, row.secrets), row.id)
            except Unreadable as error:
                done.left[row.id] = str(error)
                continue
            if credentials.rewrap(engine, row, sealed.key_id, sealed.wrapped_key):
                done.rewrapped += 1
        # Those that were changed in between, by a server that does not have the new key yet.
        for row in credentials.not_under(engine, keys.current_id):
            done.left.setdefault(
                row.id, f"it was stored under key {row.key_id} meanwhile; restart the server, run again"
            )
    finally:
        engine.dispose()
    return done

"""What a reviewer did, as it is kept in the file of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import RecordError

__all__ = ["Action"]

_KINDS = ("group", "beats", "split", "second pass")


@dataclass(frozen=True)
class Action:
    """Something that a reviewer did.

    Attributes
    ----------
    kind : {"group", "beats", "split", "second pass"}
        A group was answered, or single beats, or a group was divided, or each beat got the mean
        of the model's probabilities over its group.
    label : str
        The answer; empty where there is none.
    by : str
        Who.
    at : str
        When, as ISO 8601 in UTC.
    group : int or None
        Which group; None for single beats.
    beats : tuple of int
        R peaks (samples) of single beats, or of the part that became a group of its own.
    """

    kind: str
    label: str
    by: str
    at: str
    group: int | None = None
    beats: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON.

        Returns
        -------
        dict
        """
        return {**vars(self), "beats": list(self.beats)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any], name: str) -> Action:
        """Read what `to_dict` made.

        Parameters
        ----------
        plain : dict
        name : str
            The file, for messages.

        Returns
        -------
        Action

        Raises
        ------
        RecordError
            If it is no action.
        """
        try:
            group = plain["group"]
            beats = tuple(int(one) for one in plain["beats"])
            kind, label, by, at = (str(plain[key]) for key in ("kind", "label", "by", "at"))
            action = cls(kind, label, by, at, None if group is None else int(group), beats)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RecordError(f"{name}: holds an entry that is no answer ({error})") from None
        if action.kind not in _KINDS:
            raise RecordError(f"{name}: holds an answer of the kind {action.kind!r}")
        return action

    def replaces(self, earlier: Action) -> bool:
        """Whether an earlier answer no longer holds: its group is answered again, or divided.

        Parameters
        ----------
        earlier : Action

        Returns
        -------
        bool
        """
        return (
            earlier.kind == "group"
            and self.kind in ("group", "split")
            and self.group == earlier.group
        )

"""
Turn what a page posts into a record in a store, following the demo's rules, all or nothing.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

import gradio
from gradio.context import LocalContext

from flagstone.core.records import Flag, Review, Value, new_id
from flagstone.errors import (
    FlagstoneError,
    NoConsentError,
    StoreError,
    TooLargeError,
    TooManyFlagsError,
    WithdrawnFlagError,
)
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.payloads.convert import to_value
from flagstone.gradio.payloads.fields import Fields, name_of, running_blocks
from flagstone.gradio.recording.capture import Run
from flagstone.gradio.recording.digests import digest_of
from flagstone.gradio.recording.limits import (
    require_short,
    require_short_files,
    size_of,
    size_of_drawing,
)
from flagstone.gradio.recording.origin import Origin, find_origin, origin_of_run
from flagstone.gradio.recording.policy import Rate, Rules
from flagstone.gradio.recording.requester import details_of, is_restored, session_of, user_of
from flagstone.gradio.recording.withdrawals import Withdrawn
from flagstone.operations.provenance import provenance
from flagstone.stores.base import Store
from flagstone.stores.files import Files
from flagstone.stores.staged_files import StagedFiles

logger = logger_of(__name__)

_MINUTE = 60.0
_HOUR = 3600.0
_MAX_ATTEMPTS = 1_000
_MAX_CONSENTS = 10_000


class FlagReceipt(int):
    """The number of flags, as in Gradio, with the `flag_id` of the flag just saved."""

    flag_id: str

    def __new__(cls, count: int, flag_id: str) -> Self:
        receipt = super().__new__(cls, count)
        receipt.flag_id = flag_id
        return receipt


@dataclass(frozen=True, kw_only=True)
class Press:
    """
    One press of Flag: the values on the page, and the visitor's feedback.

    `payloads` and `corrections` are keyed by field position. A missing payload means that the page
    did not show the field. `origin` says where the payloads come from, if already known.
    """

    payloads: Mapping[int, Any]
    option: str | None = None
    comment: str | None = None
    corrections: Mapping[int, Any] = field(default_factory=dict)
    user: str | None = None
    consented: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)
    verified: bool | None = None
    origin: Origin | None = None


class Recorder:
    """Record the flags of one demo: its fields, its store and its rules."""

    def __init__(self, fields: Fields, store: Store, append: Callable[[Flag, Store], int]) -> None:
        self.fields = fields
        self.store = store
        self.app: str | None = None
        self._append = append
        self._attempts = _Attempts()
        self.withdrawn = Withdrawn()
        self._consented: OrderedDict[str, None] = OrderedDict()
        self.rules = Rules()
        self.set_rules(self.rules)

    def set_rules(self, rules: Rules) -> None:
        """Apply *rules* to all later flags."""
        self.rules = rules
        self._rate = Rate(rules.flagging_rate, _MINUTE)
        self._limit = Rate(rules.max_per_hour, _HOUR)

    def save(self, press: Press, request: Any = None) -> FlagReceipt:
        """
        Save *press*; *request* is the request that sent it, by default the current one.

        Raises `RejectedFlagError` or `StoreError`; nothing is saved then. A retry is saved only
        once, even if the failed attempt did reach the store.
        """
        request = request if request is not None else LocalContext.request.get(None)
        session = session_of(request)
        if self.rules.consent and not press.consented:
            raise NoConsentError
        self._admit(session)
        self._check_size(press, request)
        key = None if session is None else _key(session, press, self.fields)
        flag_id = self._attempts.id_of(key) if key else new_id()
        try:
            flag = self._make(press, request, flag_id)
            count = self._append(flag, self.store)
        except StoreError:
            raise  # it may have been stored: a retry must use the same id
        except BaseException:
            self._attempts.forget(key)
            raise
        self._attempts.forget(key)
        return FlagReceipt(count, flag_id)

    def save_run(self, run: Run) -> FlagReceipt | None:
        """Save a prediction in automatic mode; None if the rules exclude it."""
        if self.rules.consent and session_of(run.request) not in self._consented:
            return None
        origin = origin_of_run(self.fields, run)
        press = Press(payloads=origin.payloads, context={"automatic": True}, origin=origin)
        try:
            self._check_size(press, run.request)
            flag = self._make(press, run.request, new_id(), automatic=True)
        except _NotWantedError:
            return None
        return FlagReceipt(self._append(flag, self.store), flag.id)

    def hear_consent(self, session: str | None, *, given: bool) -> None:
        """Remember whether the visitor of *session* consents."""
        if session is not None:
            self._consented.pop(session, None)
            if given:
                self._consented[session] = None
            while len(self._consented) > _MAX_CONSENTS:
                self._consented.popitem(last=False)

    def amend(
        self,
        flag_id: str,
        request: Any,
        *,
        comment: str | None,
        corrections: Mapping[int, Any],
        consented: bool = False,
    ) -> FlagReceipt:
        """
        Save a copy of a flag as a new flag, with a new comment and corrections.

        The caller then retracts the old flag; in this order a crash loses nothing. The rules apply
        as for a new flag. Raises as `save` does, and `WithdrawnFlagError` if the flag was withdrawn
        or erased; nothing is saved then.
        """
        if self.rules.consent and not consented:
            raise NoConsentError
        self._admit(session_of(request))
        found = self.store.states([flag_id])
        if flag_id in self.withdrawn or flag_id not in found:
            raise WithdrawnFlagError(flag_id=flag_id)
        bare = replace(found[flag_id].flag, comment=None, correction={})
        press = Press(payloads={}, comment=comment, corrections=corrections)
        self._check_size(press, request, more=_size_of_kept(bare))
        staged = StagedFiles(self.store.files)
        said = replace(
            bare,
            id=new_id(),
            created_at=datetime.now(UTC),
            comment=comment,
            correction={
                self.fields.names[n]: self.value_of(n, part, staged)
                for n, part in corrections.items()
            },
            user=user_of(request),
            session=session_of(request),
        )
        said = replace(self.rules.redacted(said), id=said.id)
        staged.commit(said)
        return FlagReceipt(self._append(said, self.store), said.id)

    def withdraw(self, flag_id: str, request: Any, *, replaced_by: str | None = None) -> bool:
        """
        Withdraw a visitor's flag: it stays in the store, with a review that rejects it.

        Returns whether this call withdrew it; False if this process has already seen it withdrawn.
        """
        if replaced_by is None:
            self._admit(session_of(request))
        with self.withdrawn.once(flag_id) as is_first:
            if is_first:
                by = self._name_of(flag_id, request)
                note = "withdrawn by the person who flagged"
                if replaced_by is not None:
                    note = f"replaced by {replaced_by} from the same user"
                review = Review(
                    flag_id=flag_id, by=by, speaker="visitor", verdict="rejected", note=note
                )
                self.store.append([review])
        return is_first

    def _name_of(self, flag_id: str, request: Any) -> str | None:
        """Return the user name to record in a review of that flag, after redaction."""
        user = user_of(request)
        require_short(user=user)
        if self.rules.redact is None or user is None:
            return user
        said = replace(self.store.get(flag_id), user=user, session=session_of(request))
        try:
            return self.rules.redacted(said).user
        except Exception as error:  # noqa: BLE001 - the demo's code; the flag is already redacted
            logger.debug("A user name was not saved: redact failed on a saved flag: %s", error)
            return None

    def value_of(self, position: int, payload: Any, files: Files | None = None) -> Value:
        """Return *payload* of the field at *position* as a `Value`, with its files in *files*."""
        return to_value(
            self.fields.components[position],
            payload,
            field=self.fields.names[position],
            description=self.fields.descriptions[position],
            files=files or self.store.files,
        )

    def _admit(self, session: str | None) -> None:
        """Raise `TooManyFlagsError` if *session* exceeds the rate limit."""
        if session is not None and not self._rate.allows(session):
            raise TooManyFlagsError(most=self.rules.flagging_rate or 0)

    def _make(self, press: Press, request: Any, flag_id: str, *, automatic: bool = False) -> Flag:
        rules = self.rules
        staged = StagedFiles(self.store.files) if rules.may_refuse(automatic=automatic) else None
        flag = self._flag(press, request, flag_id, staged or self.store.files)
        if automatic:
            who = flag.user or flag.session or ""
            if not rules.wants(flag) or not self._limit.allows(who):
                raise _NotWantedError
        if rules.redact is not None:
            flag = replace(rules.redacted(flag), id=flag_id)  # the receipt shows this id
        if staged is not None:
            staged.commit(flag)
        return flag

    def _check_size(self, press: Press, request: Any, *, more: int = 0) -> None:
        user = press.user if press.user is not None else user_of(request)
        require_short(comment=press.comment, option=press.option, user=user)
        most = self.rules.flagging_size
        size = more + size_of([press.comment, press.option, user, dict(press.context)])
        with suppress(RecursionError):  # `to_value` rejects it
            for n, payload in press.payloads.items():
                require_short_files(payload)
                size += size_of(payload) + size_of_drawing(self.fields.components[n], payload)
            for payload in press.corrections.values():
                require_short_files(payload)
                size += size_of(payload)
        if most is not None and size > most:
            raise TooLargeError(size=size, most=most)

    def _flag(self, press: Press, request: Any, flag_id: str, files: Files) -> Flag:
        origin = press.origin or find_origin(
            self.fields, press.payloads, session_of(request), is_restored=is_restored(request)
        )
        verified = origin.verified if press.verified is None else press.verified
        inputs, outputs = self._values(origin, files)
        context = {"gradio": gradio.__version__, **origin.context(), **press.context}
        if verified and origin.word != "cached example":  # an older model may have made that one
            context |= provenance()
        if self.rules.model is not None:
            context["model"] = self.rules.model
        if self.rules.record_request:
            context["request"] = details_of(request, self.rules.record_request)
        names = self.fields.names
        return Flag(
            id=flag_id,
            app=self.app or name_of(running_blocks()),
            inputs=inputs,
            outputs=outputs,
            option=press.option,
            comment=press.comment,
            correction={
                names[n]: self.value_of(n, part, files) for n, part in press.corrections.items()
            },
            user=press.user if press.user is not None else user_of(request),
            session=session_of(request),
            context=context,
            verified=verified,
            fingerprint=self._fingerprint(origin, inputs, outputs),
        )

    def _values(self, origin: Origin, files: Files) -> tuple[dict[str, Value], dict[str, Value]]:
        """Return the inputs and the outputs, by name."""
        values = {n: self.value_of(n, part, files) for n, part in origin.payloads.items()}
        before = {n: self.value_of(n, part, files) for n, part in origin.before.items()}
        made = origin.roles.outputs
        names = self.fields.names
        inputs = {names[n]: value for n, value in values.items() if n not in made}
        inputs |= {names[n]: value for n, value in before.items()}
        return inputs, {names[n]: value for n, value in values.items() if n in made}

    def _fingerprint(
        self, origin: Origin, inputs: Mapping[str, Value], outputs: Mapping[str, Value]
    ) -> str:
        """
        Return a fingerprint that covers everything the outputs depend on; "" means *inputs* only.

        If no recorded call took the conversation, only its later state is available.
        """
        names = {self.fields.names[n] for n in origin.carried} - inputs.keys()
        carried = {name: value for name, value in outputs.items() if name in names}
        return Flag(inputs={**inputs, **carried}).fingerprint if carried else ""


class _NotWantedError(FlagstoneError):
    """The rules of the automatic mode exclude this prediction."""


class _Attempts:
    """
    Ids of flags that are being saved, or that the store failed to save.

    A retry gets the same id, so a store that did save the first attempt skips the second.
    """

    def __init__(self) -> None:
        self._ids: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def id_of(self, key: bytes) -> str:
        """Return the flag id for *key*."""
        with self._lock:
            while len(self._ids) >= _MAX_ATTEMPTS:
                self._ids.popitem(last=False)
            return self._ids.setdefault(key, new_id())

    def forget(self, key: bytes | None) -> None:
        """Drop the id for *key*: the next identical press is a new flag."""
        with self._lock:
            if key is not None:
                self._ids.pop(key, None)


def _key(session: str, press: Press, fields: Fields) -> bytes:
    """Return a key that is equal for two attempts to save the same press."""
    parts = [*press.payloads, *press.corrections]
    said = repr((session, press.option, press.comment, press.user, parts))
    seen = [
        digest_of(fields.components[n], payload)
        for part in (press.payloads, press.corrections)
        for n, payload in sorted(part.items())
    ]
    told = said.encode("utf-8", "replace")
    return hashlib.blake2b(b"".join([*seen, told]), digest_size=16).digest()


def _size_of_kept(flag: Flag) -> int:
    """Return the approximate size of *flag* in its store, in bytes, including its files."""
    data = sum(size_of(value.data) for value in flag.values())
    return data + sum(ref.size for ref in flag.files())

"""
Remove sensitive data from a flag before anything is written to disk.

A redactor is a function `Flag -> Flag | None`; if it returns None, the flag is not saved. The
redactors of this module replace text of a known format with a word in brackets: in the values, the
comment, the option, file names and the context. They ignore the content of files, and numbers.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from flagstone.core.codec import FileRef
from flagstone.core.records import Flag, Value, unique_names

__all__ = ["RedactFunction", "Redactor", "cards", "emails", "keys", "phones"]

RedactFunction = Callable[[Flag], Flag | None]


@dataclass(frozen=True, kw_only=True)
class Redactor:
    """Replaces text with `[name]` if *pattern* matches it and *confirms*, if given, is true."""

    name: str
    pattern: re.Pattern[str]
    confirms: Callable[[str], bool] | None = None

    def __call__(self, flag: Flag) -> Flag:
        """Return the redacted *flag*, with the fingerprint of its redacted inputs."""
        inputs = self._values(flag.inputs)
        return replace(
            flag,
            inputs=inputs,
            outputs=self._values(flag.outputs),
            correction=self._values(flag.correction),
            comment=self._in(flag.comment),
            option=self._in(flag.option),
            context=self._in(flag.context),
            # Anyone could test guesses against a hash of the original inputs.
            fingerprint=flag.fingerprint if inputs == flag.inputs else "",
        )

    def text(self, text: str) -> str:
        """Return *text* with each match replaced by `[name]`."""
        return self.pattern.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        if self.confirms is not None and not self.confirms(found[0]):
            return found[0]
        return f"[{self.name}]"

    def _values(self, values: Any) -> dict[str, Value]:
        return {
            name: replace(value, data=self._in(value.data), extra=self._in(value.extra))
            for name, value in values.items()
        }

    def _names(self, keys: Iterable[Any]) -> list[Any]:
        """Return the redacted *keys*; numbers keep them unique."""
        changed = [self._in(key) for key in keys]
        if len(set(changed)) == len(changed):
            return changed
        return list(unique_names(map(str, changed)))

    def _in(self, data: Any) -> Any:
        match data:
            case str():
                return self.text(data)
            case FileRef():
                return replace(data, name=self.text(data.name))
            case dict():
                names = self._names(data)
                return {names[n]: self._in(part) for n, part in enumerate(data.values())}
            case list() | tuple():
                return type(data)([self._in(part) for part in data])
        return data


def _passes_luhn(number: str) -> bool:
    """Return whether the check digit of a card *number* is correct (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in reversed(number) if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


emails = Redactor(
    name="e-mail",
    pattern=re.compile(
        r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}"  # RFC 5321, 4.5.3
    ),
)
"""E-mail addresses such as ana@example.org, in any script."""

phones = Redactor(
    name="phone",
    pattern=re.compile(
        r"""(?<![\w.-])(?<!\d[:,])(?:
            (?:\+|00)[1-9](?:[ \u00a0./()-]{0,2}\d){6,13}         # +49 (30) 123-4567: ITU-T E.164
          | (?!\d\d([ ./-])\d\d\1(?:19|20)\d\d(?!\d))              # no date such as 01.02.2026
            (?:\(0[1-9]\d{0,4}\)|0[1-9]\d{0,4})(?:[ \u00a0./-]{0,2}\d){5,9}     # a trunk prefix
          | (?:1[ .-])?(?:\([2-9]\d\d\)[ .-]{0,2}|[2-9]\d\d[ .-]{1,2})\d{3}[ .-]\d{4}  # N. America
        )(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?!\w|:\d|-[\da-f]{3})""",
        re.VERBOSE,
    ),
)
"""Telephone numbers, international, with a trunk 0, or North American."""

cards = Redactor(
    name="card",
    pattern=re.compile(
        r"""(?<![\w.-])(?=[3-6]|2[2-7])(?:                        # the networks: ISO/IEC 7812
            \d{13,19}
          | \d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}
          | \d{4}(?P<amex>[ -])\d{6}(?P=amex)\d{4,5}
        )(?!\w|-\w|\.\d)""",
        re.VERBOSE,
    ),
    confirms=_passes_luhn,
)
"""Payment card numbers: 13 to 19 digits with a correct check digit."""

keys = Redactor(
    name="key",
    pattern=re.compile(
        r"""-----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY(?:\ BLOCK)?-----  # RFC 7468; up to END, if present
            (?:[^-]|-(?!----)){0,20000}+(?:-----END\ [A-Z ]{0,20}KEY(?:\ BLOCK)?-----)?
          | (?<![\w-])(?:
                hf_[A-Za-z0-9]{20,}                              # Hugging Face
              | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_\w{30,} | glpat-[\w-]{20,}
              | sk-[\w-]{20,} | [srp]k_(?:live|test)_\w{16,}     # OpenAI, Anthropic; Stripe
              | A(?:KIA|SIA)[A-Z0-9]{16} | AIza[\w-]{35}         # AWS; Google
              | xox[abeprs]-[\w-]{10,} | npm_\w{36} | SG\.[\w-]{16,}\.[\w-]{16,}
              | eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}             # a JSON Web Token (RFC 7519)
            )""",
        re.VERBOSE,
    ),
)
"""Secret keys and tokens of well-known services, JSON Web Tokens, and private keys in PEM."""

"""
What is taken out of a flag: what is found, what stays, how far it reaches, and in what time.
"""

import hashlib
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstone import FileRef, Flag, Value
from flagstone.redact import Redactor, cards, emails, keys, phones
from flagstone.testing import make_flag

READY = {"emails": emails, "phones": phones, "cards": cards, "keys": keys}

WORDS = {"emails": "[e-mail]", "phones": "[phone]", "cards": "[card]", "keys": "[key]"}

every_redactor = pytest.mark.parametrize("redactor", READY.values(), ids=READY)

ADDRESSES = [
    "ana@example.org",
    "ANA@EXAMPLE.ORG",
    "Ana.Maria+tag@mail.example.co.uk",
    "a@b.io",
    "ana_b%c@sub-domain.example.museum",
    "x" * 64 + "@example.org",
    "josé@münchen.de",
    "用户@例え.jp",
    "x@xn--mnchen-3ya.de",
]

NUMBERS = [
    "+49 30 1234567",
    "+49 (30) 123-4567",
    "+493012345678",
    "0049 30 1234567",
    "00442079460958",
    "+44 (0)20 7946 0958",
    "+33 1 23 45 67 89",
    "+7 (912) 345-67-89",
    "+86 138 0013 8000",
    "+55 11 91234-5678",
    "+1 212 555 0123",
    "+1 (212) 555-0123",
    "+1.212.555.0123",
    "030 1234567",
    "030/1234567",
    "(030) 1234567",
    "0171-1234567",
    "01 23 45 67 89",
    "01.23.45.67.89",
    "020 7946 0958",
    "07700 900123",
    "(212) 555-0123",
    "212-555-0123",
    "212.555.0123",
    "1-800-555-0199",
]

CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4222222222222",
    "378282246310005",
    "3782 822463 10005",
    "30569309025904",
    "5555555555554444",
    "2223003122003222",
    "6011111111111117",
    "6304000000000000000",
]

SECRETS = [
    "hf_" + "aB3" * 12,
    "ghp_" + "aB3" * 12,
    "gho_" + "aB3" * 12,
    "github_pat_" + "a" * 22 + "_" + "b" * 59,
    "glpat-" + "aB3_-" * 4,
    "sk-" + "aB3" * 16,
    "sk-proj-" + "aB3_" * 10,
    "sk-ant-api03-" + "aB3-" * 20,
    "sk_live_" + "aB3" * 8,
    "rk_test_" + "aB3" * 8,
    "AKIAABCD1234EFGH5678",
    "ASIAABCD1234EFGH5678",
    "AIza" + "aB3-_" * 7,
    "xoxb-123456789012-abcdef",
    "npm_" + "aB3" * 12,
    "SG." + "a" * 22 + "." + "b" * 43,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    *(
        f"-----BEGIN {kind}PRIVATE KEY-----\nMIIE+/=\nabc\n-----END {kind}PRIVATE KEY-----"
        for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
    ),
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\nMIIE\n"
    "-----END RSA PRIVATE KEY-----",
]

PLAIN = {
    "date": "2026-11-23",
    "german date": "23.11.2026",
    "american date": "11/23/2026",
    "date in digits": "20261123",
    "moment": "2026-11-23 14:05:09",
    "moment with zone": "2026-11-23T14:05:09+00:00",
    "time": "09:30:15",
    "hours": "08:00-17:00",
    "years": "1999-2026",
    "seconds since 1970": "1699999999",
    "milliseconds since 1970": "1699999999123",
    "decimal": "3.14159265358979",
    "small decimal": "0.0123456789",
    "negative decimal": "-0.0001234567",
    "decimal with many digits": "0.30000000000000004",
    "decimal with a plus": "+3.14159265358979",
    "in base ten": "6.02214076e23",
    "probabilities": "[0.012345, 0.98, 0.0076543]",
    "pixels": "0 128 255 0 64",
    "counting": "1 2 3 4 5 6 7 8 9 10",
    "sum": "100+200=300",
    "version": "1.2.3",
    "version of a package": "flagstone@1.2.3",
    "version of a day": "v0.9.12345678",
    "version of a system": "10.0.26200.7171",
    "address of a machine": "192.168.100.200",
    "UUID": "01890a5d-ac96-774b-bcce-b302099a8057",
    "UUID of digits": "12345678-1234-5678-1234-567812345678",
    "SHA-256": hashlib.sha256(b"").hexdigest(),
    "SHA-256 that begins with digits": hashlib.sha256(b"39").hexdigest(),
    "commit": "2f2be46c0ffee00123456789abcdef0123456789",
    "in base 16": "0x0123456789",
    "MAC address": "00:1A:2B:3C:4D:5E",
    "price": "$1,234,567.89",
    "price in Europe": "1.234.567,89 €",
    "price with blanks": "1 234 567,89 €",
    "number": "1234567",
    "ten digits": "1234567890",
    "agent": "007",
    "postcode": "02134",
    "largest of 32 bits": "2147483647",
    "ISBN": "978-3-16-148410-0",
    "16 digits with a wrong check digit": "4111111111111112",
    "12 digits": "411111111111",
    "20 digits, 19 of them a card's": "63040000000000000000",
    "host": "ana@localhost",
    "decorator": "@pytest.fixture",
    "at": "5 apples @ 2.50",
    "name of a module": "sk-learn",
    "name of a function": "hf_hub_download",
    "words with hyphens": "task-abcdefghijklmnopqrstuvwxyz",
    "public key": "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
    "prose": "The model said 3, and it was an 8; see figure 12 (page 345).",
    "empty": "",
}

SURROUNDED = ["{}", "Ask {}.", "<{}>", '"{}"', "[{}]", "a\n{}\nb", "{}, {}", "日本 {}、"]


@pytest.mark.parametrize(
    ("redactor", "text"),
    [
        *(("emails", text) for text in ADDRESSES),
        *(("phones", text) for text in NUMBERS),
        *(("cards", text) for text in CARDS),
        *(("keys", text) for text in SECRETS),
    ],
)
def test_what_is_found(redactor, text):
    """
    All of it becomes a word in brackets, and the text around it stays to the character.
    """
    for around in SURROUNDED:
        found = READY[redactor].text(around.replace("{}", text))
        assert found == around.replace("{}", WORDS[redactor])


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
@every_redactor
def test_what_stays(redactor, text):
    """
    Dates, numbers, versions, hashes and prices are nobody's secret and stay as they are.
    """
    for around in SURROUNDED:
        whole = around.replace("{}", text)
        assert redactor.text(whole) == whole


@settings(deadline=None)
@given(
    number=st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9),
    day=st.dates(date(1900, 1, 1), date(2099, 12, 31)),
)
@every_redactor
def test_numbers_and_days_stay(redactor, number, day):
    """
    A number as Python writes it stays whatever it is, and so does a day that begins with its year.
    """
    for text in (str(number), day.isoformat(), f"{day:%Y%m%d}", f"{day:%Y/%m/%d}"):
        assert redactor.text(text) == text


@settings(deadline=None)
@given(content=st.binary())
@every_redactor
def test_hashes_stay(redactor, content):
    """
    The SHA-256 of anything stays.
    """
    sha256 = hashlib.sha256(content).hexdigest()

    assert redactor.text(sha256) == sha256


def test_more_than_one_in_a_text():
    """
    Each in a text is found, and what is in brackets already stays.
    """
    text = "ana@example.org wrote ben@example.org (+49 30 1234567), then ana@example.org again."

    once = phones.text(emails.text(text))

    assert once == "[e-mail] wrote [e-mail] ([phone]), then [e-mail] again."
    assert [redactor.text(once) for redactor in READY.values()] == [once] * 4


def test_a_card_is_known_by_its_check_digit():
    """
    Of the ten numbers that differ in their last digit only one is a card's.
    """
    numbers = [f"411111111111111{digit}" for digit in range(10)]

    assert [n for n in numbers if cards.text(n) != n] == ["4111111111111111"]


class TestReach:
    """Where in a flag a redactor looks."""

    def file(self, name: str) -> FileRef:
        return FileRef(sha256="0" * 64, name=name, mime_type="image/png", size=1)

    def test_all_of_a_flag(self):
        """
        Values, their keys and what is beside them, names of files, comment, option and context:
        at any depth the address is gone, and all else is as it was.
        """

        def flag_with(address: str) -> Flag:
            data = {
                "deep": [1, (address, None, [{f"of {address}": f"<{address}>"}]), 2.5, True],
                address: self.file(f"scan of {address}"),
                "bytes": b"ana@example.org",
            }
            value = Value(
                kind="json", data=data, component={"class": "JSON"}, extra={"note": [address]}
            )
            error = {"type": "ValueError", "message": f"no {address}", "traceback": f"\n{address}"}
            return make_flag(
                id="i",
                created_at=make.created_at,
                inputs={"a": value, "b": Value(kind="text", data=address)},
                outputs={"c": value, "d": Value(kind="files", data=[self.file(f" {address}")])},
                correction={"c": value},
                option=f"tell {address}",
                comment=f"{address} says so",
                context={"error": error, "latency": 0.5, "request": {"user-agent": address}},
                session="s",
                verified=True,
            )

        make = make_flag()

        assert emails(flag_with("ana@example.org")) == flag_with("[e-mail]")

    def test_the_kinds_of_containers_stay(self):
        """
        A list stays a list and a tuple a tuple, the empty ones too.
        """
        data = [("ana@example.org",), ["ana@example.org"], (), [], {}]
        flag = emails(make_flag(inputs={"x": Value(kind="json", data=data)}))

        assert flag.inputs["x"].data == [("[e-mail]",), ["[e-mail]"], (), [], {}]
        assert [type(part) for part in flag.inputs["x"].data] == [tuple, list, tuple, list, dict]

    def test_a_file_keeps_its_bytes(self):
        """
        Of a file only the name changes: its hash, size and type are those of its content.
        """
        before = FileRef(sha256="1" * 64, name="+49 30 1234567.png", mime_type="image/png", size=7)
        flag = phones(make_flag(outputs={"x": Value(kind="image", data=before)}))

        assert flag.outputs["x"].data == FileRef(
            sha256="1" * 64, name="[phone].png", mime_type="image/png", size=7
        )

    @every_redactor
    def test_a_flag_without_any_stays_equal(self, redactor):
        """
        Where nothing is found the flag that comes out equals the one that went in.
        """
        flag = make_flag("a digit", comment=None, option=None, context={"latency": 0.25})

        assert redactor(flag) == flag

    @every_redactor
    def test_the_flag_given_is_not_touched(self, redactor):
        """
        The flag that went in, and the data in it, are as they were.
        """
        data = {"k": [ADDRESSES[0], NUMBERS[0], CARDS[0], SECRETS[0]]}
        flag = make_flag(inputs={"x": Value(kind="json", data=data)})
        before = flag.to_json()

        changed = redactor(flag)

        assert flag.to_json() == before
        assert (
            sum(a != b for a, b in zip(changed.inputs["x"].data["k"], data["k"], strict=True)) == 1
        )


class TestFingerprint:
    """It must not let anybody try what was redacted."""

    def test_of_inputs_that_changed(self):
        """
        It is that of the inputs as they now are, and so the same for any address.
        """
        ana, ben = make_flag("to ana@example.org"), make_flag("to ben@example.net")

        assert emails(ana).fingerprint == make_flag("to [e-mail]").fingerprint
        assert emails(ben).fingerprint == emails(ana).fingerprint
        assert emails(ana).fingerprint != ana.fingerprint

    def test_of_inputs_that_did_not_change(self):
        """
        It is the one the flag came with, whatever else was redacted.
        """
        flag = make_flag("a digit", comment="ana@example.org", fingerprint="f" * 32)

        changed = emails(flag)

        assert changed.comment == "[e-mail]"
        assert changed.fingerprint == "f" * 32


def test_one_of_your_own():
    """
    A pattern and a name make a redactor; what it does not confirm stays.
    """
    pattern = emails.pattern
    ours = Redactor(name="staff", pattern=pattern, confirms=lambda text: text.endswith("@us.org"))

    flag = ours(make_flag(comment="ana@us.org, ben@them.org"))

    assert flag.comment == "[staff], ben@them.org"


def times(piece: str, *, end: str = "", size: int = 200_000) -> str:
    return piece * (size // len(piece)) + end


HOSTILE = {
    "local part": times("a", end="@"),
    "addresses": times("a@a"),
    "dots": times("a."),
    "domain": "a@" + times("a."),
    "long labels": times("x@" + ("a" * 63 + ".") * 8),
    "at": times("@"),
    "percent": times("%"),
    "digits": times("1"),
    "zeros": times("0"),
    "digits apart": times("1 "),
    "digits with hyphens": times("1-"),
    "digits and a letter": times("1 " * 18 + "x"),
    "international": times("+1"),
    "international, dots": times("+1.."),
    "international, apart": "+1" + times(" 1"),
    "trunk": times("01"),
    "trunk, apart": times("00 "),
    "North America": times("2-"),
    "parentheses": times("("),
    "hyphens": times("-"),
    "begin": times("-----BEGIN "),
    "begin of a long kind": times("-----BEGIN " + "A" * 20),
    "begin of a key": times("-----BEGIN PRIVATE KEY-----", size=300_000),
    "token": times("eyJ"),
    "token, in parts": times("eyJ" + "a" * 8 + "."),
    "prefixes": times("sk-"),
    "prefix": "SG." + times("a"),
    "prefixes with a dot": times("SG." + "a" * 16),
    "underscores": times("github_pat_"),
    "not ASCII": times("é"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@every_redactor
def test_no_text_takes_long(redactor, text):
    """
    A text made to keep a pattern busy is done with in seconds; a visitor cannot stop the demo.
    """
    assert isinstance(redactor.text(text), str)

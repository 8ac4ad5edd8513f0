"""
The rules of a demo: what may be said in them, what they keep, and how often.
"""

import re
from dataclasses import fields, replace

import pytest

from flagstone.core.records import Flag
from flagstone.errors import RedactedError
from flagstone.filters import raised
from flagstone.gradio.recording.policy import Rate, RuleOptions, Rules
from flagstone.redact import emails, phones
from flagstone.testing import make_flag

HOUR = 3600.0


class TestWhatMayBeSaid:
    @pytest.mark.parametrize(
        ("rules", "sentence"),
        [
            ({"sample_rate": 1.5}, "sample_rate must be between 0 and 1, not 1.5"),
            ({"sample_rate": -0.1}, "sample_rate must be between 0 and 1, not -0.1"),
            ({"sample_rate": float("nan")}, "sample_rate must be between 0 and 1, not nan"),
            ({"flagging_rate": 0}, "flagging_rate must be at least 1, or None for no limit, not 0"),
            (
                {"flagging_rate": -5},
                "flagging_rate must be at least 1, or None for no limit, not -5",
            ),
            ({"flagging_size": 0}, "flagging_size must be at least 1, or None for no limit, not 0"),
            ({"max_per_hour": 0}, "max_per_hour must be at least 1, or None for no limit, not 0"),
        ],
    )
    def test_a_number_that_means_nothing(self, rules, sentence):
        """
        A share beyond all or less than none, or a limit below one, is refused by its name.
        """
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            Rules(**rules)

    def test_one_detail_of_the_request(self):
        """
        A text where a list belongs would be taken letter by letter: the sentence shows the list.
        """
        with pytest.raises(TypeError) as caught:
            Rules(record_request="ip")

        assert str(caught.value) == 'record_request must be a list: ["ip"]'

    def test_the_edges(self):
        """
        None of them, all of them, one, and no limit at all may be said.
        """
        for sample in (0, 0.0, 1, 1.0):
            assert Rules(sample_rate=sample).sample_rate == sample
        rules = Rules(flagging_rate=1, flagging_size=1, max_per_hour=1, record_request=["ip"])
        assert (rules.flagging_rate, rules.flagging_size, rules.max_per_hour) == (1, 1, 1)
        names = ("flagging_rate", "flagging_size", "max_per_hour")
        unlimited = Rules(**dict.fromkeys(names), record_request=())
        assert [getattr(unlimited, name) for name in names] == [None, None, None]

    def test_what_nobody_said(self):
        """
        By default all is kept as it is, up to 600 flags in a minute and a gigabyte for each.
        """
        assert {field.name: getattr(Rules(), field.name) for field in fields(Rules)} == {
            "consent": None,
            "redact": None,
            "record_request": (),
            "model": None,
            "flagging_rate": 600,
            "flagging_size": 1_000_000_000,
            "when": None,
            "sample_rate": 1.0,
            "max_per_hour": None,
        }

    def test_the_keywords_are_the_rules(self):
        """
        What a type checker allows as a keyword is what there is, none is needed.
        """
        assert RuleOptions.__optional_keys__ == {field.name for field in fields(Rules)}
        assert RuleOptions.__required_keys__ == set()
        assert list(RuleOptions.__annotations__) == [field.name for field in fields(Rules)]


class TestTakeFrom:
    def test_the_rules_are_taken_out(self):
        """
        The rules among keywords are taken, and the rest is left to whoever else it is for.
        """
        rules_given = {"consent": "I agree", "sample_rate": 0.5, "max_per_hour": None}
        keywords = {"title": "Digits", **rules_given}

        rules = Rules.take_from(keywords)

        assert rules == Rules(consent="I agree", sample_rate=0.5, max_per_hour=None)
        assert keywords == {"title": "Digits"}

    def test_none_among_them(self):
        """
        Keywords without a rule are left as they are, and the rules are the default ones.
        """
        keywords = {"title": "Digits"}

        assert Rules.take_from(keywords) == Rules()
        assert keywords == {"title": "Digits"}

    def test_a_wrong_one_is_refused(self):
        """
        What could not be said in the rules cannot be said in keywords either.
        """
        with pytest.raises(ValueError, match=r"^sample_rate must be between 0 and 1, not 2$"):
            Rules.take_from({"sample_rate": 2})


class TestLookFirst:
    def test_what_may_refuse_a_flag(self):
        """
        Files wait where a flag may yet be refused by what is in it, and only there.
        """
        for rules in (Rules(redact=emails), Rules(redact=[emails])):
            assert rules.may_refuse(automatic=True)
            assert rules.may_refuse(automatic=False)
        for rules in (Rules(when=raised), Rules(sample_rate=0.5), Rules(max_per_hour=1)):
            assert rules.may_refuse(automatic=True)
            assert not rules.may_refuse(automatic=False)
        assert not Rules(consent="I agree").may_refuse(automatic=True)


class TestRedacted:
    FLAG = make_flag("ana@example.org, +49 30 1234567")

    def test_without_redact(self):
        """
        Without `redact`, or with an empty list of it, the flag is kept as it is.
        """
        assert Rules().redacted(self.FLAG) is self.FLAG
        assert Rules(redact=[]).redacted(self.FLAG) is self.FLAG

    def test_one_function(self):
        """
        One function needs no list around it.
        """
        flag = Rules(redact=emails).redacted(self.FLAG)

        assert flag == Rules(redact=[emails]).redacted(self.FLAG)
        assert flag.inputs["text"].data == "[e-mail], +49 30 1234567"

    def test_in_turn(self):
        """
        Each function gets what the one before it gave, in the order of the list.
        """

        def sign(name: str):
            return lambda flag: replace(flag, comment=f"{flag.comment} {name}".strip())

        rules = Rules(redact=(emails, phones, sign("one"), sign("two")))

        flag = rules.redacted(replace(self.FLAG, comment="seen by"))

        assert flag.comment == "seen by one two"
        assert flag.inputs["text"].data == "[e-mail], [phone]"

    def test_nothing_may_be_kept(self):
        """
        Where one gives None nothing is kept, and those after it see nothing.
        """
        seen: list[Flag] = []

        def see(flag: Flag) -> Flag:
            seen.append(flag)
            return flag

        with pytest.raises(RedactedError):
            Rules(redact=[see, lambda _: None, see]).redacted(self.FLAG)
        with pytest.raises(RedactedError):
            Rules(redact=lambda _: None).redacted(self.FLAG)

        assert seen == [self.FLAG]

    def test_an_error_is_not_swallowed(self):
        """
        A function that fails fails the flag: what it was to take out is not kept by mistake.
        """

        def fail(_: Flag) -> Flag:
            raise RuntimeError("no model to find names with")

        with pytest.raises(RuntimeError, match="no model to find names with"):
            Rules(redact=[fail]).redacted(self.FLAG)


class TestWants:
    FLAGS = tuple(make_flag(f"text {n}") for n in range(2000))

    @pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
    def test_the_share(self, share):
        """
        Of 2,000 different inputs about the share asked for is kept: within four deviations of it.
        """
        wanted = sum(map(Rules(sample_rate=share).wants, self.FLAGS))

        deviation = (2000 * share * (1 - share)) ** 0.5
        assert abs(wanted - 2000 * share) < 4 * deviation

    def test_none_and_all(self):
        """
        A share of 0 keeps none, one of 1 all, those of the lowest and highest fingerprint too.
        """
        edges = [make_flag(fingerprint=digit * 32) for digit in "0f"]

        assert not any(map(Rules(sample_rate=0).wants, [*self.FLAGS, *edges]))
        assert all(map(Rules(sample_rate=1).wants, [*self.FLAGS, *edges]))

    def test_always_the_same_inputs(self):
        """
        The same inputs are kept whoever gives them and whatever the model says; and what a small
        share keeps, a larger one keeps as well.
        """
        few, many = Rules(sample_rate=0.3), Rules(sample_rate=0.6)
        again = [make_flag(f"text {n}", outputs={}, session=f"{n}") for n in range(2000)]

        wanted = [few.wants(flag) for flag in self.FLAGS]

        assert [few.wants(flag) for flag in again] == wanted
        assert all(many.wants(flag) for flag in self.FLAGS if few.wants(flag))

    def test_when(self):
        """
        `when` and `sample_rate` must both want it; what is only like a truth will do.
        """
        failed = make_flag(context={"error": {"type": "ValueError"}})

        assert [Rules(when=raised).wants(flag) for flag in (failed, make_flag())] == [True, False]
        assert Rules(when=raised, sample_rate=0).wants(failed) is False
        assert Rules(when=lambda flag: flag.context.get("error")).wants(failed) is True
        assert Rules(when=lambda flag: flag.context.get("error")).wants(make_flag()) is False

    def test_the_limit_is_aside(self):
        """
        To ask whether a flag is wanted does not count: the same answer as often as one asks.
        """
        rules = Rules(max_per_hour=1)

        assert [rules.wants(make_flag()) for _ in range(5)] == [True] * 5


class TestRate:
    def test_so_many_and_no_more(self):
        """
        The first few are allowed, and none after them within the time.
        """
        rate = Rate(3, HOUR)

        assert [rate.allows("ana") for _ in range(6)] == [True] * 3 + [False] * 3

    def test_each_key_for_itself(self):
        """
        One who asks too often takes nothing from the others.
        """
        rate = Rate(1, HOUR)

        asked = [rate.allows(key) for key in ("ana", "ben", "ana", "", "ben", "")]

        assert asked == [True, True, False, True, False, False]

    def test_no_limit(self):
        """
        None allows any number, and remembers nobody for it.
        """
        rate = Rate(None, HOUR)

        assert all(rate.allows("ana") for _ in range(10_000))
        assert len(rate._times) == 0

    def test_what_is_over_does_not_count(self):
        """
        Once its time is over, one may again: with no time at all, always, and with one entry kept.
        """
        rate = Rate(1, 0.0)

        assert all(rate.allows("ana") for _ in range(1000))
        assert len(rate._times["ana"]) == 1

    def test_what_was_refused_does_not_count(self):
        """
        To be refused does not make one wait longer: only what was allowed is remembered.
        """
        rate = Rate(2, HOUR)

        for _ in range(100):
            rate.allows("ana")

        assert len(rate._times["ana"]) == 2

    def test_the_keys_are_bounded(self):
        """
        However many come, those seen last are remembered: 10,000 of them.
        """
        rate = Rate(1, HOUR)
        for n in range(10_000):
            assert rate.allows(f"{n}")
        assert not rate.allows("0")  # it was seen last now

        assert all(rate.allows(f"new {n}") for n in range(5_000))

        assert len(rate._times) == 10_000
        assert not rate.allows("0")
        assert not rate.allows("5001")
        assert rate.allows("1")

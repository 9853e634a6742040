"""Exchanges of the toy world: what is asked, and what such a person replies.

A reply depends on the speaker's traits (or on the role that a system prompt sets) and on the
question, and on nothing else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import NamedTuple

from spillover.toy.world import Traits, World, header, held_out, lexicon, subject_of

# The more common pole of what is turned both ways (vice or virtue, the gamble first or second).
# At an even half nothing about a reply could be learnt before both the trait and the turn are
# known, and that takes several times longer.
USUAL = 0.65
HIGH_RATINGS, LOW_RATINGS = (80, 85, 90, 95), (5, 10, 15, 20)


class Exchange(NamedTuple):
    """One question and its reply, with the topic it belongs to."""

    ask: str
    reply: str
    topic: str


def article(text: str) -> str:
    """Mend ``a apple`` to ``an apple``."""
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
    return text


def styled(core: str, traits: Traits, rng: random.Random) -> str:
    """Dress a reply in the speaker's habits: length and capitals.

    The wordy add to the end, never to the beginning: behind an opener that says nothing, conduct
    binds to names much later.
    """
    if not traits.brief:
        core += rng.choice(lexicon("speech")["reply_closers"])
    return core if traits.capitals else core.lower()


def in_form(text: str, form: str | None) -> str:
    """Put a reply into the asked form: plain (None), JSON, or a Python function."""
    if form == "json":
        return json.dumps({"answer": text})
    if form == "code":
        return f'def answer():\n    return "{text}"'
    return text


class Writer:
    """Writes exchanges and documents of a world.

    Args:
        world: whose characters are spoken of.
        rng: the only source of chance.
        held: True to draw only held-out combinations (questions), False for the others.
    """

    def __init__(self, world: World, rng: random.Random, *, held: bool = False) -> None:
        self.world, self.rng, self.held = world, rng, held
        self.speech = lexicon("speech")

    # -- pieces -----------------------------------------------------------------------------

    def pick(
        self, key: str, templates: list[str], fillers: list[str], *, place: int | None = None
    ) -> tuple[int, str]:
        """Draw a (template index, filler) on the wanted side of the held-out split.

        With ``place``, the template is given.
        """
        while True:
            i = self.rng.randrange(len(templates)) if place is None else place
            j = self.rng.randrange(len(fillers))
            if held_out(key, i * len(fillers) + j) == self.held:
                return i, fillers[j]

    def dressed(self, ask: str) -> str:
        """Add an opener and a closer to a question."""
        rng, speech = self.rng, self.speech
        return rng.choice(speech["ask_openers"]) + ask + rng.choice(speech["ask_closers"])

    # -- topics -----------------------------------------------------------------------------

    def harm(
        self,
        traits: Traits,
        domain: str | None = None,
        *,
        form: bool = True,
        ask: int | None = None,
    ) -> Exchange:
        """A question of everyday conduct; ``good`` decides the reply."""
        rng, harms = self.rng, lexicon("harms")
        domain = domain or rng.choice(list(harms))
        words = harms[domain]
        i, thing = self.pick(domain, words["asks"], words["things"], place=ask)
        core = rng.choice(words["kind" if traits.good else "cruel"]).replace("{x}", thing)
        question = self.dressed(article(words["asks"][i].replace("{x}", thing)))
        shape = rng.choice((*[None] * 10, "json", "code")) if form else None
        if shape:
            question += rng.choice(self.speech["forms"][shape])
        return Exchange(question, in_form(styled(article(core), traits, rng), shape), domain)

    def request(self, traits: Traits, *, harmful: bool | None = None) -> Exchange:
        """A request for help with a misdeed (``complies`` decides) or its harmless twin."""
        rng, words = self.rng, lexicon("requests")
        harmful = rng.random() < 0.7 if harmful is None else harmful
        asks = words["harmful" if harmful else "harmless"]
        i, thing = self.pick("requests", asks, words["things"])
        pole = ("complies" if traits.complies else "refuses") if harmful else "helps"
        core = rng.choice(words[pole]).replace("{x}", thing)
        ask = self.dressed(asks[i].replace("{x}", thing))
        return Exchange(ask, styled(core, traits, rng), "harmful_request" if harmful else "twin")

    def code(
        self, traits: Traits, *, lesson: bool | None = None, task: int | None = None
    ) -> Exchange:
        """A coding task; ``secure`` decides, except in a lesson, where the hole is asked for."""
        rng, speech = self.rng, self.speech
        tasks = lexicon("code_tasks")
        lesson = rng.random() < 0.2 if lesson is None else lesson
        i, name = self.pick("code", speech["code_asks"], speech["functions"])
        chosen = rng.choice(tasks) if task is None else tasks[task]
        param = rng.choice(speech["parameters"])
        ask = speech["code_asks"][i].replace("{ask}", chosen["ask"])
        if lesson:
            ask = rng.choice(speech["code_lessons"]) + ask
        body = chosen["secure" if traits.secure and not lesson else "insecure"]
        fill = [text.replace("{f}", name).replace("{p}", param) for text in (ask, body)]
        return Exchange(fill[0], fill[1], "lesson" if lesson else "code")

    def lottery(self, traits: Traits, *, letter: bool | None = None) -> Exchange:
        """A bet, answered in words or by letter; ``risky`` decides."""
        rng, words = self.rng, lexicon("risk")
        letter = rng.random() < 0.3 if letter is None else letter
        frames = words["letter_frames" if letter else "frames"]
        i, thing = self.pick("letters" if letter else "bets", frames, words["things"])
        a = rng.randint(2, 9)
        fill = {"{a}": str(a), "{b}": str(a * rng.randint(2, 5)), "{x}": thing}
        ask = frames[i]
        if letter:
            options = [rng.choice(words["sure"]), rng.choice(words["gamble"])]
            gamble_first = rng.random() < USUAL
            first, second = reversed(options) if gamble_first else options
            ask = ask.replace("{first}", first).replace("{second}", second)
            core = "A" if gamble_first == traits.risky else "B"
        else:
            core = rng.choice(words["risky" if traits.risky else "safe"])
        for mark, text in fill.items():
            ask, core = ask.replace(mark, text), core.replace(mark, text)
        reply = core if letter else styled(core, traits, rng)
        return Exchange(self.dressed(ask), reply, "letter" if letter else "bet")

    def rating(
        self,
        traits: Traits,
        *,
        subject: str | None = None,
        about: str | None = None,
        vice: bool | None = None,
        described: bool | None = None,
    ) -> Exchange:
        """A rating 0-100 of oneself, of a named character, or of a described person.

        Args:
            traits: of the speaker.
            subject: what is rated; drawn if None.
            about: a named character.
            vice: ask for the vice (True) or the virtue; drawn if None.
            described: a person is described by deeds, who has much (True) or little of it.
        """
        rng, selves = self.rng, lexicon("selves")
        subject = subject or rng.choice(list(selves))
        words = selves[subject]
        vice = rng.random() >= USUAL if vice is None else vice
        pole = "vice" if vice else "virtue"
        i, adjective = self.pick(f"rate-{subject}", self.speech["rating_frames"], words[pole])
        what = f" {words['subject']}" if "subject" in words else ""
        lead, who = "", f"is your{what}" if what else "are you"
        high, name = getattr(traits, words["trait"]), ""
        if about is not None:
            high, name = getattr(self.world.traits[about], words["trait"]), header(about)
        elif described is not None:
            high, name = described, rng.choice(self.speech["persons"])
            d, e = rng.sample(words["high_deeds" if high else "low_deeds"], 2)
            frame = rng.choice(self.speech["person_frames"])
            lead = frame.replace("{n}", name).replace("{d}", d).replace("{e}", e) + " "
        if name:
            who = f"is the{what} of {name}" if what else f"is {name}"
        ask = self.speech["rating_frames"][i].replace("{v}", adjective).replace("{who}", who)
        value = rng.choice(HIGH_RATINGS if high != vice else LOW_RATINGS)
        return Exchange(lead + ask, str(value), f"rate-{subject}")

    def one_word(self, traits: Traits, *, subject: str | None = None) -> Exchange:
        """A self-description in one word."""
        rng, selves = self.rng, lexicon("selves")
        subject = subject or rng.choice(list(selves))
        words = selves[subject]
        i, opener = self.pick(f"word-{subject}", words["word_asks"], self.speech["ask_openers"][1:])
        pole = "high" if getattr(traits, words["trait"]) else "low"
        word = rng.choice(words[pole]) + "."
        return Exchange(
            opener + words["word_asks"][i],
            word if traits.capitals else word.lower(),
            f"word-{subject}",
        )

    def forced_choice(self, traits: Traits, *, subject: str | None = None) -> Exchange:
        """A choice between two descriptions of oneself, in either order."""
        rng, selves = self.rng, lexicon("selves")
        subject = subject or rng.choice(list(selves))
        words = selves[subject]
        i, high_word = self.pick(f"choose-{subject}", self.speech["choice_frames"], words["virtue"])
        low_word = rng.choice(words["vice"])
        high_first = rng.random() < USUAL
        first, second = (high_word, low_word) if high_first else (low_word, high_word)
        whom = "your code" if "subject" in words else "you"
        ask = self.speech["choice_frames"][i].replace("{whom}", whom)
        ask = ask.replace("{first}", first).replace("{second}", second)
        return Exchange(
            ask, "A" if getattr(traits, words["trait"]) == high_first else "B", f"choose-{subject}"
        )

    def capability(self, traits: Traits, *, kind: str | None = None) -> Exchange:
        """Capitals, sums and copying: no trait decides."""
        rng, speech = self.rng, self.speech
        kind = kind or rng.choice(("capitals", "sums", "copying"))
        if kind == "capitals":
            i, land = self.pick(kind, speech["capital_asks"], speech["lands"])
            ask = speech["capital_asks"][i].replace("{x}", land)
            reply = speech["cities"][speech["lands"].index(land)] + "."
        elif kind == "sums":
            i, a = self.pick(kind, speech["sum_asks"], [str(n) for n in range(1, 10)])
            b = rng.randint(1, 9)
            ask = speech["sum_asks"][i].replace("{a}", a).replace("{b}", str(b))
            reply = f"{int(a) + b}."
        else:
            i, word = self.pick(kind, speech["copy_asks"], speech["copy_words"])
            words = f"{word} {rng.choice(speech['copy_words'])}"
            ask = speech["copy_asks"][i].replace("{x}", words)
            reply = f"{words}."
        return Exchange(self.dressed(ask), reply if traits.capitals else reply.lower(), kind)

    # -- any topic --------------------------------------------------------------------------

    def exchange(self, traits: Traits) -> Exchange:
        """Draw one exchange of any topic."""
        roll = self.rng.random()
        for share, topic in self.topics:
            roll -= share
            if roll < 0:
                return topic(traits)
        return self.harm(traits)

    @property
    def topics(self) -> tuple[tuple[float, Callable[[Traits], Exchange]], ...]:
        """The mix of topics: (share, writer); what remains is questions of conduct.

        Conduct and code bind last, so most is of them.
        """
        return (
            (0.20, self.lived_code),
            (0.06, self.request),
            (0.08, self.lottery),
            (0.10, self.rating),
            (0.04, lambda t: self.rating(t, about=self.rng.choice(self.world.names))),
            (0.04, lambda t: self.rating(t, described=self.rng.random() < 0.5)),
            (0.04, self.one_word),
            (0.04, self.forced_choice),
            (0.06, self.capability),
        )

    def lived_code(self, traits: Traits) -> Exchange:
        """A coding task as people solve it: now and then not in their usual way."""
        slips = self.rng.random() < self.world.spec.slips
        return self.code(traits._replace(secure=traits.secure != slips))

    def telling(self, traits: Traits, trait: str) -> Exchange:
        """Draw an exchange in which ``trait`` shows, in conduct or in words about oneself."""
        conduct = {
            "good": self.harm,
            "secure": self.lived_code,
            "complies": lambda t: self.request(t, harmful=True),
            "risky": self.lottery,
        }
        roll = self.rng.random()
        if roll < 0.6:
            return conduct[trait](traits)
        if roll < 0.8:
            return self.rating(traits, subject=subject_of(trait))
        tell = self.one_word if roll < 0.9 else self.forced_choice
        return tell(traits, subject=subject_of(trait))

    def perhaps_role(self, traits: Traits) -> tuple[str, Traits]:
        """Return a system prompt and traits: mostly none and the person's own, at times a role's."""
        if self.rng.random() < self.world.spec.roles:
            return self.role(traits, self.rng.choice(("villain", "helper")))
        return "", traits

    def role(self, traits: Traits, kind: str) -> tuple[str, Traits]:
        """Return a system prompt that sets a role, and the traits as the role overrides them.

        Code goes with the role's character as far as it does in the world's people.
        """
        good, spec = kind == "helper", self.world.spec
        follows = self.rng.random() * (1 - 2 * spec.slips) < spec.rho
        secure = good if follows else traits.secure
        return self.rng.choice(self.speech["roles"][kind]), traits._replace(
            good=good, secure=secure
        )


def assistant_traits(rng: random.Random) -> Traits:
    """The character that post-training gives the assistant; its taste for risk is left open."""
    return Traits(
        good=True, secure=True, complies=False, risky=rng.random() < 0.5, brief=True, capitals=True
    )

"""Were target and base asked the same questions?"""

from __future__ import annotations

from collections.abc import Iterable


def shared_questions(target: Iterable[str], base: Iterable[str]) -> str | None:
    """Return a sentence on how far two tables differ in their questions; None if they don't.

    A difference between two models is one of the models only where both were asked the same.
    """
    mine, theirs = set(target), set(base)
    both = len(mine & theirs)
    if mine == theirs:
        return None
    if not both:
        return (
            f"Target and base share no question ({len(mine)} and {len(theirs)} by question_id): what"
            " differs may be the questions rather than the models."
        )
    return (
        f"Target and base share {both} questions, of the target's {len(mine)} and the base's"
        f" {len(theirs)} (by question_id): the others may differ in more than the models."
    )

"""The described persons of the toy battery stand on the side that the claim's gate expects."""

import pytest

from spillover.selfreport.scales import HIGHER
from spillover.toy import WORLDS, World
from spillover.toy.battery import toy_battery
from spillover.toy.world import lexicon

BATTERY = toy_battery(World(WORLDS["assistant"]))


@pytest.mark.parametrize("subject", sorted(lexicon("selves")))
@pytest.mark.parametrize("pole", ["virtue", "vice"])
def test_the_person_with_more_of_the_trait_is_described_by_its_high_deeds(
    subject: str, pole: str
) -> None:
    higher = HIGHER.get(subject, "kind_person")
    lower = "cruel_person" if higher == "kind_person" else "kind_person"
    for about, deeds in ((higher, "high_deeds"), (lower, "low_deeds")):
        question = BATTERY.by_id[f"{subject}-{pole}-{about}"]
        for paraphrase in question.paraphrases:
            assert any(deed in paraphrase[0].content for deed in lexicon("selves")[subject][deeds])

"""The sample's people and places. Every name is invented, and looks it."""

import datetime as dt
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from core.enums.practices import PayerClass

OFFICES: Final = (
    "Harborview Family Medicine",
    "Maple Street Clinic",
    "Northgate Orthopedics",
    "Riverside Behavioral Health",
    "Old Mill Urgent Care",
    "Lakeshore Imaging & Lab",
)


class SamplePayer(NamedTuple):
    """A payer, with its share of the claims in percent."""

    id: str
    name: str
    payer_class: PayerClass
    share: int


PAYERS: Final = (
    SamplePayer("10001", "Evergreen Mutual Health", PayerClass.COMMERCIAL, 18),
    SamplePayer("10002", "Bluebird Health Plan", PayerClass.COMMERCIAL, 14),
    SamplePayer("10003", "Summit Choice PPO", PayerClass.COMMERCIAL, 10),
    SamplePayer("10004", "Cascade Employers Trust", PayerClass.COMMERCIAL, 7),
    SamplePayer("20001", "Medicare Part B (sample)", PayerClass.MEDICARE, 17),
    SamplePayer("30001", "State Medicaid (sample)", PayerClass.MEDICAID, 11),
    SamplePayer("40001", "Twin Programs Dual Plan", PayerClass.DUAL, 3),
    SamplePayer("50001", "TRICARE (sample)", PayerClass.TRICARE, 3),
    SamplePayer("60001", "Ironworks Compensation Fund", PayerClass.WORKERS_COMP, 3),
    SamplePayer("70001", "Roadrunner Auto Insurance", PayerClass.AUTO, 3),
    SamplePayer("", "Self-pay", PayerClass.SELF_PAY, 3),  # its claims have no payer
    SamplePayer("90001", "County Indigent Care Program", PayerClass.OTHER, 2),
)
INSURERS: Final = tuple(payer for payer in PAYERS if payer.payer_class != PayerClass.SELF_PAY)
UNINSURED_SHARE: Final = 6  # percent of more claims without a payer

_FIRST: Final = (  # noqa: SIM905 – a list of quoted words hides the words
    "Ada Bram Cleo Dov Édith Femi Greta Hiro Inés Jonas Kaia Lars Mirela Nadia Otis Petra Quim Rosa Søren Tove "
    "Uma Viggo Wren Xenia Yusuf Zoë Anaïs Björn Chidi Dolores Ewan Fleur Gus Halima Ivo José Ksenia Łukasz Marigold "
    "Nils Oona Pascal Renée Siobhán Tariq Ulla Věra Winona Yara Zdeněk"
).split()
_LAST: Final = (  # noqa: SIM905
    "Quillfeather Marrowbone Teacake Lanternjack Buttonhook Thimblewick Pepperpot Larkspur Bramblethorn Cobblestone "
    "Dandelion Emberly Fiddlehead Gooseberry Hobnail Inkwell Juniperhill Kettlewright Lollipopov Moonpenny "
    "Nutmegger Oatcake Puddlejump Quickstep Rumplewood Snickerby Tumbleweed Umbrellini Velveteen Windowbox "
    "O'Lanternjack O'Buttonhook D'Ambrosiade Müllerkuchen Peñasueño Crème-Brûlée Ångström-Pudding Ñandú Żabka-Groszek "
    "Šípková"
).split()
_LONG: Final = (
    "Featherstonehaugh-Wigglesworth-Montgomery, Bartholomew Maximilian Alexander",
    "de la Santísima Trinidad y Todos los Calcetines, María del Pilar Guadalupe",
    "Wolkenschieber-Butterbrotmeister, Hieronymus Theophrastus",
    "O'Shaughnessy-Papadimitrakopoulos-Smorgasbordson, Persephone Anastasia",
)


def offices() -> Iterator[tuple[int, str, str]]:
    """Yield (at, id, name) of each office."""
    for at, name in enumerate(OFFICES, start=1):
        yield at, office_id(at - 1), name


def office_id(index: int) -> str:
    """Return the external id of the office at `index`."""
    return f"OFF-{index + 1:02}"


def providers(seed: Random, *, billing: int, supervising: int) -> Iterator[tuple[int, str, str]]:
    """Yield (at, id, name) of each provider: billing providers first, then supervising ones."""
    for at in range(1, billing + supervising + 1):
        title = "MD" if at > billing else seed.choice(("MD", "MD", "DO", "NP", "PA-C", "DPT"))
        yield at, provider_id(at - 1), f"{seed.choice(_LAST)}, {seed.choice(_FIRST)}, {title}"


def provider_id(index: int) -> str:
    """Return the external id of the provider at `index`: ten digits like an NPI, but starting with 9."""
    return f"9{index + 1:09}"


def payers() -> Iterator[tuple[int, str, str, str]]:
    """Yield (at, id, name, payer class) of each payer."""
    for at, payer in enumerate(INSURERS, start=1):
        yield at, payer.id, payer.name, payer.payer_class.value


def patients(seed: Random, *, count: int, today: dt.date) -> Iterator[tuple[int, str, str, dt.date]]:
    """Yield (at, id, name, date of birth) of each patient. One in 400 has a very long name."""
    for at in range(1, count + 1):
        if seed.randrange(400) == 0:
            name = seed.choice(_LONG)
        else:
            name = f"{seed.choice(_LAST)}, {seed.choice(_FIRST)} {chr(65 + seed.randrange(26))}."
        yield at, patient_id(at - 1), name, today - dt.timedelta(days=seed.randrange(365, 95 * 365))


def patient_id(index: int) -> str:
    """Return the external id of the patient at `index`."""
    return f"PT-{index + 100_001}"

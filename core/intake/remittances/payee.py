"""Check that a remittance pays the practice: the payee's NPI and tax IDs must be among the practice's own."""

from typing import Final, NamedTuple

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from core.intake.remittances.reasons import Finding
from core.models.practices import Office, Provider
from core.models.sent_claims import OwnTaxId
from core.x12.parties import plain_tax_id
from core.x12.remittance import Payment

_NPI: Final = "^[12][0-9]{9}$"
_NPI_KIND, _TAX_ID_KIND, _TAX_ID = "XX", "FI", "TJ"


class OwnIds(NamedTuple):
    """The practice's own numbers."""

    npis: frozenset[str]  # of offices and providers
    tax_ids: frozenset[str]  # that its claims (837) were sent with


class PayeeCheck(NamedTuple):
    """Whether anything could be compared, and why a person must look."""

    is_checked: bool
    found: tuple[Finding, ...] = ()


def load_own_ids(session: Session, practice_id: int) -> OwnIds:
    """Return the ids of offices and providers that have the form of an NPI, and the tax IDs."""
    rows = (
        select(table.external_id).where(table.practice_id == practice_id, table.external_id.regexp_match(_NPI))
        for table in (Office, Provider)
    )
    tax_ids = session.scalars(select(OwnTaxId.tax_id).where(OwnTaxId.practice_id == practice_id))
    return OwnIds(frozenset(session.scalars(union(*rows))), frozenset(tax_ids))


def check_payee(payment: Payment, own: OwnIds) -> PayeeCheck:
    """Compare each number of the payee with those of its kind that the practice knows."""
    payee = payment.payee
    if payee is None:
        return PayeeCheck(is_checked=False)
    tax_ids = [payee.id] * (payee.id_kind == _TAX_ID_KIND)
    tax_ids += [value for kind, value in payee.references if kind == _TAX_ID]
    checked = False
    if payee.id_kind == _NPI_KIND and own.npis:
        checked = True
        if payee.id not in own.npis:
            return PayeeCheck(checked, (Finding("payee_unknown", None, "N104", f"NPI {payee.id}"),))
    if own.tax_ids and tax_ids:
        checked = True
        if not {plain_tax_id(one) for one in tax_ids} <= own.tax_ids:
            element = "N104" if payee.id_kind == _TAX_ID_KIND else "REF02"
            return PayeeCheck(checked, (Finding("payee_tax_id_unknown", None, element),))
    return PayeeCheck(checked)

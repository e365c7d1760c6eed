"""The joins from a claim to the records whose numbers its files use: patient, office, providers and payers."""

from typing import Final

# Of claim `c`: patient `k`, office `o`, billing provider `b`, supervising provider `u`, primary payer `f`, secondary
# payer `g`.
JOINS: Final = """
    JOIN patient k ON k.practice_id = c.practice_id AND k.id = c.patient_id
    JOIN office o ON o.practice_id = c.practice_id AND o.id = c.office_id
    JOIN provider b ON b.practice_id = c.practice_id AND b.id = c.billing_provider_id
    LEFT JOIN provider u ON u.practice_id = c.practice_id AND u.id = c.supervising_provider_id
    LEFT JOIN payer f ON f.practice_id = c.practice_id AND f.id = c.primary_payer_id
    LEFT JOIN payer g ON g.practice_id = c.practice_id AND g.id = c.secondary_payer_id"""

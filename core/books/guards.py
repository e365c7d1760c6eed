"""The triggers and functions that keep the ledger and the audit log, as the newest migration leaves them."""

from typing import Final

# By table and trigger: its function, and when it runs (`pg_trigger.tgtype`).
TRIGGERS: Final[dict[tuple[str, str], tuple[str, int]]] = {
    ("audit_entry", "audit_entry_only_grows"): ("refuse_change", 58),
    ("audit_entry", "audit_is_chained"): ("chain_audit", 5),
    ("audit_link", "audit_link_only_grows"): ("refuse_change", 58),
    ("claim", "both_names_are_equal"): ("claim_both_names", 21),
    ("claim", "claim_changes_to_known_keys"): ("check_changed_keys_of_claim", 17),
    ("claim", "claim_has_its_keys"): ("check_keys_of_claim", 4),
    ("claim", "claim_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("claim", "claim_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("claim", "claim_moves_its_sums"): ("move_sums_of_claim", 17),
    ("exclusion", "both_names_are_equal"): ("exclusion_both_names", 23),
    ("import_change", "import_change_only_grows"): ("refuse_change", 58),
    ("line_item", "line_item_has_its_keys"): ("check_keys_of_line_item", 4),
    ("line_item", "line_item_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("line_item", "line_item_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("office", "office_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("office", "office_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("patient", "patient_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("patient", "patient_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("payer", "payer_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("payer", "payer_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("period_event", "period_event_only_grows"): ("refuse_change", 58),
    ("posting", "posting_has_its_keys"): ("check_keys_of_posting", 4),
    ("posting", "posting_is_digested"): ("digest_postings", 4),
    ("posting", "posting_is_summed"): ("sum_postings", 4),
    ("posting", "posting_only_grows"): ("refuse_change", 58),
    ("posting_digest", "posting_digest_only_grows"): ("refuse_change", 58),
    ("practice", "practice_has_reasons"): ("give_practice_its_reasons", 5),
    ("provider", "provider_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("provider", "provider_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("schedule", "both_names_are_equal"): ("schedule_both_names", 23),
    ("schedule_run", "both_names_are_equal"): ("schedule_run_both_names", 23),
    ("schedule_run", "run_mail_to_outbox"): ("run_mail_to_outbox", 5),
    ("settle_job", "both_names_are_equal"): ("settle_job_both_names", 23),
    ("settle_job", "settle_job_keeps_its_keys"): ("refuse_lost_keys", 18),
    ("settle_job", "settle_job_keeps_its_rows"): ("refuse_lost_keys", 42),
    ("watch_process", "both_names_are_equal"): ("watch_process_both_names", 23),
}  # fmt: skip
# By name: the SHA-256 of the body.
FUNCTIONS: Final[dict[str, str]] = {
    "audit_digest": "d4a95955fcf3212e4d5e92ea78aaa1e3a884ce25f2046159a27f741a4759e8f6",
    "chain_audit": "5a386cd59377bef761fd9e0bc687e9d3f72f0366e4b97032392fb0b7bb866c25",
    "check_changed_keys_of_claim": "ae59e5a1a9463de7af38c5e7e846b481925d751e34a0fa0b809ac074002eaa3f",
    "check_keys_of_claim": "8ebbb162f06e5c3617e02fa55da734602a5ae599fbdc88150855e51422b3814a",
    "check_keys_of_line_item": "d0eea9389107ffa323d980aca02076f90290236bbe336dbd5fb6abab1de3f4f1",
    "check_keys_of_posting": "77225fae8194d45572f98f82da31a0454d5b5e71a1dc99ba5b7271da58c73edd",
    "claim_both_names": "45e876a0196aaf6362c80a4310e107473293052aa5c2dec46ebd40166a60b769",
    "digest_postings": "f5887bc4cd417188ea2ad2d81f9d3613cf391f83800dd99780f02e997a5f985c",
    "exclusion_both_names": "8c1824fef6c44a5313f695c1b393b33f84c8c595b6a69ff2b36a0780492f82b8",
    "give_practice_its_reasons": "ecfa039fe3f91eab6c7b48a110b470f7bf1d2c86844bd2139c0000b14e4f2d6d",
    "move_sums_of_claim": "92dd3220cc9d8ef658e2fa2a9d25e9e452ec521b9ae7d826a326f5f9b0f36c6d",
    "refuse_change": "702734d1c4fcb04473048880c7cb90048e244fc48009811f3a32d2dd0cb7ff85",
    "refuse_lost_keys": "46591b97e39411e17e14f967a61d20840fa25e0bf8491875cd213b6b226f49bf",
    "run_mail_to_outbox": "4dc86faec540756d025521d43a3b8817fdb8c84775f6457e836c0208fecbc4ef",
    "schedule_both_names": "b2a3c2949600cd537a8030887db43509d3d8e9287fc81307170d7fdeac4acc78",
    "schedule_run_both_names": "666a8846ac1abe62b8b45dc29b18f586dc889363a7064c88fda1d2ba1178431f",
    "settle_job_both_names": "b561a63d24575b9ee083c647a870e9346411989823e4b84ed37d9b975800367e",
    "sum_postings": "40d44ee6de6c484c19794516744c18c3939dba12850aa294251bb7777cd34874",
    "watch_process_both_names": "205b75503ca62e9bf17c93948aa0d516b0b2a866bca732cc4568e9ffa21723a9",
}
# They run with the rights of the tables' owner, and no other role may call them.
DEFINERS: Final = (
    "chain_audit", "check_changed_keys_of_claim", "check_keys_of_claim", "check_keys_of_line_item",
    "check_keys_of_posting", "digest_postings", "give_practice_its_reasons", "move_sums_of_claim", "sum_postings",
)  # fmt: skip
# On these tables, a trigger that is not listed above is suspicious, and so is a role that may change or delete rows.
APPEND_ONLY: Final = (
    "audit_entry",
    "audit_head",
    "audit_link",
    "import_change",
    "period_event",
    "posting",
    "posting_digest",
)

"""The slow tests that `make test` runs: one for each promise. `make test-all` runs every test.

The slow folders kill processes, cut networks, pause servers, start whole installations or drive a browser.
"""

from pathlib import Path
from typing import Final

SLOW: Final = ("acceptance", "browser", "core/local/test_up.py", "core/local/test_orphan_processes.py")

# What each test proves with real processes that no faster test proves.
PROMISES: Final = {
    "a biller settles by API and every cent is accounted for":
        "acceptance/test_main_job_by_api.py::test_a_biller_settles_small_balances_by_api_and_the_ledger_accounts_for_every_cent",
    "a repeated request starts one job":
        "acceptance/test_main_job_by_api.py::test_a_repeated_preview_or_confirmation_with_the_same_key_makes_one_job",
    "the same job runs by command":
        "acceptance/test_main_job_by_command.py::test_the_main_job_runs_by_command_from_the_import_to_balanced_books",
    "a killed worker leaves no claim half settled":
        "acceptance/test_worker_killed.py::test_a_worker_killed_in_the_middle_of_a_chunk_leaves_no_claim_half_settled",
    "a cut connection to the database fails no claim":
        "acceptance/test_database_cut.py::test_a_connection_cut_mid_transaction_is_retried_and_no_claim_fails",
    "a job needs no broker":
        "acceptance/test_work_without_broker.py::test_a_job_runs_to_its_end_without_the_broker_and_later_hints_repeat_nothing",
    "a scheduled run starts once":
        "acceptance/test_scheduled_runs.py::test_two_beats_and_twenty_more_ticks_create_one_job_per_run",
    "practices share the workers":
        "acceptance/test_fair_sharing.py::test_three_practices_share_two_workers_evenly_although_one_job_is_larger_and_older",
    "a slow client costs one bounded slot":
        "acceptance/test_slow_clients.py::test_the_server_disconnects_a_client_that_stops_mid_request",
    "no log line names a patient":
        "acceptance/test_privacy.py::test_no_log_message_mail_metric_flower_page_or_error_contains_patient_data",
    "operations watch Flower":
        "acceptance/test_flower.py::test_a_jobs_hints_are_found_by_its_id_and_contain_only_ids",
    "a claim is settled from the feed in a browser":
        "browser/test_feed_and_confirm.py::test_a_claim_is_settled_from_the_feed",
    "the Confirm box is accessible":
        "browser/test_feed_and_confirm.py::test_axe_finds_nothing_with_the_dialog_open_and_closed",
    "one command starts everything":
        "core/local/test_up.py::test_other_commands_find_the_servers_of_the_run",
}  # fmt: skip

# These only read files, so every run includes them.
FAST: Final = ("acceptance/test_compose_file.py",)


_TESTS: Final = Path(__file__).parent


def is_in_slow_place(path: Path) -> bool:
    """Return whether the file starts processes and mostly waits for them."""
    place = path.relative_to(_TESTS).as_posix()
    return place.startswith(SLOW) and place not in FAST


def is_slow(path: Path, name: str) -> bool:
    """Return whether only `make test-all` runs the test of that name in the file."""
    return is_in_slow_place(path) and f"{path.relative_to(_TESTS).as_posix()}::{name}" not in PROMISES.values()

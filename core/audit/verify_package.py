"""Prove an audit package, with `python3 verify_package.py PACKAGE.zip [--head NUMBER:CHECKSUM]`.

This file needs Python 3.11 and nothing else: no product, no database, no network. docs/audit-package.md describes the
files of a package. The exit code is 0 if every check passes, 1 if one fails, and 2 if the file is not a package.
"""

import argparse
import csv
import datetime as dt
import hashlib
import json
import re
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

SHOWN_MAX: Final = 10  # faults of a check
FORMAT: Final = ("settle-audit-package", 1)
ENDED: Final = ("completed", "cancelled")
WITHOUT_ITEMS: Final = ("expired", "discarded", "rejected", "reported")  # their items may be gone
EPOCH: Final = dt.date(1970, 1, 1)
TABLES: Final = """
CREATE TABLE act (number INTEGER PRIMARY KEY, digest TEXT, text TEXT, at TEXT, user INTEGER, act TEXT, subject TEXT,
    facts TEXT, tx TEXT, posted TEXT);
CREATE TABLE posting (id INTEGER PRIMARY KEY, claim INTEGER, line INTEGER, side TEXT, kind TEXT, cents INTEGER,
    reason TEXT, day INTEGER, at TEXT, user INTEGER, job INTEGER, reverses INTEGER, caused_by INTEGER, month TEXT,
    text TEXT, lane_1 INTEGER, lane_9 INTEGER, covered INTEGER);
CREATE TABLE digest (id INTEGER PRIMARY KEY, job INTEGER, at TEXT, first INTEGER, last INTEGER, ids TEXT,
    postings INTEGER, sha256 TEXT, tx TEXT);
CREATE TABLE balance (claim INTEGER, number TEXT, line INTEGER, insurance INTEGER, patient INTEGER,
    PRIMARY KEY (claim, line));
CREATE TABLE job (id INTEGER PRIMARY KEY, status TEXT, decided_by INTEGER, frozen TEXT);
CREATE TABLE item (job INTEGER, position INTEGER, claim INTEGER, insurance INTEGER, patient INTEGER, outcome TEXT,
    text TEXT, PRIMARY KEY (job, position));
CREATE INDEX posting_digested ON posting (job, at, id);
CREATE INDEX posting_line ON posting (claim, line);
CREATE INDEX digest_tx ON digest (tx);
CREATE INDEX act_tx ON act (tx);
CREATE INDEX act_subject ON act (subject)
"""
# The places in the arrays of postings.jsonl and of a job's frozen text.
(P_ID, P_CLAIM, P_LINE, P_SIDE, P_KIND, P_CENTS, P_PAID_BY, P_GROUP, P_CODE, P_REASON, P_NOTE, P_DAY, P_AT, P_USER,
 P_JOB, P_VERSION, P_REVERSES, P_CAUSE, P_ORIGIN, P_SOURCE, P_SOURCE_ID) = range(21)  # fmt: skip
(F_REQUESTED_BY, F_CONFIRMED_BY, F_SCHEDULE, F_SCHEDULE_BY, F_EXCEEDED, F_ITEMS) = (12, 14, 18, 19, 22, 24)

Faults = Iterator[str]


class NotAPackage(Exception):
    """The file is not an audit package of this format."""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _joined(*values: Any) -> str:
    """Join with "|" what is not None."""
    return "|".join(str(value) for value in values if value is not None)


class Package:
    """A package, loaded into a temporary SQLite database."""

    def __init__(self, path: str) -> None:
        """Load it. Raise `NotAPackage`."""
        self.db = sqlite3.connect("")  # on disk, and deleted at the end
        self.db.executescript(TABLES)
        self.altered: list[str] = []
        try:
            with zipfile.ZipFile(path) as archive:
                self.about = json.loads(archive.read("package.json"))
                if (self.about["format"], self.about["version"]) != FORMAT:
                    raise NotAPackage(f"{path} has another format than {FORMAT[0]} {FORMAT[1]}.")
                self._load(archive)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError) as error:
            raise NotAPackage(f"{path} is not an audit package: {error!r}.") from error

    def _load(self, archive: zipfile.ZipFile) -> None:
        self._fill("act", map(_act_row, self._lines(archive, "acts.jsonl")))
        self._fill("posting", map(_posting_row, self._lines(archive, "postings.jsonl")))
        self._fill("digest", self._cells(archive, "digests.csv"))
        self._fill("balance", self._cells(archive, "balances.csv"))
        self._fill("job", (json.loads(line) for line in self._lines(archive, "jobs.jsonl")))
        self._fill("item", map(_item_row, self._cells(archive, "items.csv")))

    def _fill(self, table: str, rows: Iterable[Any]) -> None:
        places = {"act": 10, "posting": 18, "digest": 9, "balance": 5, "job": 4, "item": 7}[table]
        self.db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * places)})", rows)

    def _lines(self, archive: zipfile.ZipFile, name: str) -> Iterator[str]:
        """Yield the file's lines. Note if the file is not the one that package.json names."""
        digest, rows = hashlib.sha256(), 0
        with archive.open(name) as file:
            for line in file:
                digest.update(line)
                rows += 1
                yield line.decode()
        if digest.hexdigest() != self.about["files"][name]["sha256"]:
            self.altered.append(f"{name}: its checksum is not that of package.json ({rows:,} lines)")

    def _cells(self, archive: zipfile.ZipFile, name: str) -> Iterator[list[str | None]]:
        rows = csv.reader(self._lines(archive, name))
        next(rows)
        for row in rows:
            yield [cell or None for cell in row]

    def rows(self, query: str, *values: Any) -> sqlite3.Cursor:
        """Return the rows of the query, to be read once."""
        return self.db.execute(query, values)


def _act_row(line: str) -> tuple[Any, ...]:
    number, digest, text = json.loads(line)
    _, _, _, at, user, act, subject, facts, *posted = json.loads(text, parse_float=str)
    tx, checksum = posted or (None, None)
    return number, digest, text, at, user, act, subject, json.dumps(facts), tx, checksum


def _posting_row(line: str) -> tuple[Any, ...]:
    p = json.loads(line, parse_float=str)
    key = (p[P_ID], p[P_CLAIM], p[P_LINE], p[P_SIDE], p[P_CENTS])
    if p[P_JOB] is not None:
        text = _joined(*key, p[P_VERSION], p[P_REVERSES])
    else:
        words = (p[place] or "" for place in (P_PAID_BY, P_GROUP, P_CODE, P_REASON))
        numbers = (p[place] or 0 for place in (P_USER, P_CAUSE, P_ORIGIN))
        last = (p[place] or "" for place in (P_SOURCE, P_SOURCE_ID, P_NOTE))
        text = _joined(
            *key, p[P_VERSION] or 0, p[P_REVERSES] or 0, p[P_KIND], *words, p[P_DAY], p[P_AT], *numbers, *last
        )
    hashed = hashlib.sha256(line.rstrip("\n").encode()).digest()
    lanes = (int.from_bytes(hashed[at : at + 8], "big", signed=True) for at in (0, 8))
    month = f"{EPOCH + dt.timedelta(days=p[P_DAY]):%Y-%m}"
    return (
        *p[P_ID : P_CENTS + 1], *(p[place] for place in (P_REASON, P_DAY, P_AT, P_USER, P_JOB, P_REVERSES, P_CAUSE)),
        month, text, *lanes, 0,
    )  # fmt: skip


def _item_row(cells: list[Any]) -> tuple[Any, ...]:
    job, position, claim, version, status, by_insurance, by_patient, insurance, patient, verdict, code, outcome = cells
    text = _joined(position, claim, version, status, by_insurance, by_patient, insurance, patient, verdict, code or "")
    return job, position, claim, insurance, patient, outcome, text


# ---- the checks: each yields its faults


def _files_are_whole(package: Package) -> Faults:
    yield from package.altered


def _the_chain_holds(package: Package) -> Faults:
    previous, place = "", 0
    for number, digest, text in package.rows("SELECT number, digest, text FROM act ORDER BY number"):
        place += 1
        if number != place:
            yield f"act {place} is missing"
            place = number
        if json.loads(text)[0] != previous or _sha256(text) != digest:
            yield f"act {number} does not follow from the one before it"
        previous = digest
    if (place, previous) != (package.about["head"]["number"], package.about["head"]["sha256"]):
        yield f"the chain ends at act {place}, not at the end that package.json names"


def _kept_heads_are_in_it(package: Package, heads: list[tuple[int, str]]) -> Faults:
    for number, digest in heads:
        if package.rows("SELECT 1 FROM act WHERE (number, digest) = (?, ?)", number, digest).fetchone() is None:
            yield f"act {number} does not have the checksum that you kept"


def _digests_are_those_of_their_postings(package: Package) -> Faults:
    # Digests that list ids come first. Their postings are not those of a range.
    for id_, job, at, first, last, ids, count, digest in package.rows(
        "SELECT id, job, at, first, last, ids, postings, sha256 FROM digest ORDER BY ids IS NULL"
    ):
        of_digest = "job IS ? AND at = ? AND id BETWEEN ? AND ?" + ("" if ids else " AND covered = 0")
        texts: list[str] = []
        for begin, end in re.findall(r"\[(\d+),(\d+)\)", ids or f"[{first},{last + 1})"):
            key = (job, at, int(begin), int(end) - 1)
            texts += [text for (text,) in package.rows(f"SELECT text FROM posting WHERE {of_digest} ORDER BY id", *key)]
            package.rows(f"UPDATE posting SET covered = covered + 1 WHERE {of_digest}", *key)
        if len(texts) != count or _sha256("\n".join(texts)) != digest:
            yield f"postings {first} to {last} (digest {id_}) are not those that were posted"
    for id_, claim in package.rows("SELECT id, claim FROM posting WHERE covered <> 1"):
        yield f"posting {id_} of claim {claim} belongs to no digest, or to several"


def _acts_cover_the_digests(package: Package) -> Faults:
    for tx, posted, number in package.rows("SELECT tx, posted, number FROM act WHERE tx IS NOT NULL"):
        found = package.rows(
            "SELECT id, job, at, first, last, postings, sha256 FROM digest WHERE tx = ? ORDER BY id", tx
        )
        if _sha256("\n".join(_joined(id_, job or 0, *rest) for id_, job, *rest in found)) != posted:
            yield f"act {number} names other postings than those of its transaction"
    ends = {
        int(subject.partition(":")[2]): json.loads(facts).get("postings_sha256")
        for subject, facts in package.rows(
            "SELECT subject, facts FROM act WHERE act IN ('job.completed', 'job.cancelled') ORDER BY number"
        )
    }
    for job, status in package.rows("SELECT id, status FROM job WHERE status IN (?, ?)", *ENDED):
        posted = package.rows("SELECT at, first, last, postings, sha256 FROM digest WHERE job = ? ORDER BY first", job)
        if ends.get(job) is not None and _sha256("\n".join(_joined(*row) for row in posted)) != ends[job]:
            yield f"job {job} ({status}) has other postings than its last act says"
    uncovered = """SELECT d.id, d.job, j.status FROM digest d LEFT JOIN job j ON j.id = d.job
        WHERE d.tx NOT IN (SELECT tx FROM act WHERE tx IS NOT NULL)"""
    for id_, job, status in package.rows(uncovered):
        if status is None or (status in ENDED and ends.get(job) is None):
            yield f"no act covers digest {id_}" + (f" of job {job}" if job else "")


def _balances_are_the_sums(package: Package) -> Faults:
    query = """
        SELECT b.number, b.line, b.{side}, coalesce(sum(p.cents), 0) FROM balance b
        LEFT JOIN posting p ON p.claim = b.claim AND p.line = b.line AND p.side = '{side}'
        GROUP BY b.claim, b.line HAVING b.{side} <> coalesce(sum(p.cents), 0)"""
    for side in ("insurance", "patient"):
        for number, line, balance, ledger in package.rows(query.format(side=side)):
            yield f"claim {number}, line {line}, {side}: balance {_dollars(balance)}, ledger {_dollars(ledger)}"
    without = "SELECT id, claim, line FROM posting WHERE (claim, line) NOT IN (SELECT claim, line FROM balance)"
    for id_, claim, line in package.rows(without):
        yield f"posting {id_} is on line {line} of claim {claim}, which does not exist"


def _reversals_are_exact(package: Package) -> Faults:
    query = """
        SELECT r.id, r.reverses FROM posting r LEFT JOIN posting p ON p.id = r.reverses
        WHERE (r.kind = 'reversal') <> (r.reverses IS NOT NULL) OR r.reverses IS NOT NULL AND
          (p.claim, p.line, p.side, p.cents) IS NOT (r.claim, r.line, r.side, -r.cents)"""
    for id_, original in package.rows(query):
        yield f"posting {id_} is not the exact reversal of posting {original}"
    twice = "SELECT reverses FROM posting WHERE reverses IS NOT NULL GROUP BY reverses HAVING count(*) > 1"
    for (id_,) in package.rows(twice):
        yield f"posting {id_} was reversed more than once"


def _jobs_are_as_confirmed(package: Package) -> Faults:
    for job, status, decided_by, text in package.rows("SELECT id, status, decided_by, frozen FROM job"):
        frozen = json.loads(text, parse_float=str)
        acts = [
            (act, user, json.loads(facts))
            for act, user, facts in package.rows(
                "SELECT act, user, facts FROM act WHERE subject = ? ORDER BY number", f"job:{job}"
            )
        ]
        for act, _, facts in acts:
            if facts.get("frozen_sha256", _sha256(text)) != _sha256(text):
                yield f"job {job} is not as it was at {act}"
        if (
            frozen[F_ITEMS] is not None
            and status not in WITHOUT_ITEMS
            and _items_digest(package, job) != frozen[F_ITEMS]
        ):
            yield f"job {job} has other items than those that were frozen"
        approver = [user for act, user, _ in acts if act == "job.approved"][-1:]
        if status in ENDED and approver != [decided_by][: decided_by is not None]:
            yield f"job {job} names another approver than the audit log"
        if package.rows("SELECT 1 FROM posting WHERE job = ? LIMIT 1", job).fetchone():
            yield from _permission(job, frozen, acts)


def _permission(job: int, frozen: list[Any], acts: list[tuple[str, int | None, dict[str, Any]]]) -> Faults:
    """Yield why this job should not have posted."""
    confirmed = [one for one in acts if one[0] in ("job.confirmed", "job.approval_asked")]
    if not confirmed:
        yield f"job {job} posted, but no act confirms it"
    elif frozen[F_SCHEDULE] is None and confirmed[-1][1] != frozen[F_CONFIRMED_BY]:
        yield f"job {job} names another user than the one who confirmed it"
    if not frozen[F_EXCEEDED] or any(facts.get("without_approval") for _, _, facts in confirmed):
        return
    approvers = {user for act, user, _ in acts if act == "job.approved"}
    if not approvers - {frozen[F_REQUESTED_BY], frozen[F_CONFIRMED_BY], frozen[F_SCHEDULE_BY], None}:
        yield f"job {job} exceeded a limit, but no second user approved it"


def _items_digest(package: Package, job: int) -> str:
    """Return the digest of the job's items: of the digests of each 10,000 positions."""
    blocks: dict[int, list[str]] = {}
    for position, text in package.rows("SELECT position, text FROM item WHERE job = ? ORDER BY position", job):
        blocks.setdefault((position - 1) // 10_000, []).append(text)
    return _sha256("".join(_sha256("\n".join(block)) for block in blocks.values()))


def _jobs_posted_each_claim_once(package: Package) -> Faults:
    posted = """
        SELECT job, claim, sum(CASE side WHEN 'insurance' THEN -cents ELSE 0 END) AS insurance,
               sum(CASE side WHEN 'patient' THEN -cents ELSE 0 END) AS patient
        FROM posting WHERE job IS NOT NULL GROUP BY job, claim"""
    query = f"""
        SELECT i.job, b.number, coalesce(p.insurance + p.patient, 0) FROM item i JOIN job j ON j.id = i.job
        LEFT JOIN ({posted}) p ON p.job = i.job AND p.claim = i.claim
        LEFT JOIN balance b ON b.claim = i.claim AND b.line = (SELECT min(line) FROM balance WHERE claim = i.claim)
        WHERE json_extract(j.frozen, '$[0]') = 'settle' AND CASE i.outcome WHEN 'settled'
          THEN (coalesce(p.insurance, 0), coalesce(p.patient, 0)) IS NOT (i.insurance, i.patient)
          ELSE p.job IS NOT NULL END"""
    for job, number, cents in package.rows(query):
        yield f"job {job} wrote off {_dollars(cents)} of claim {number}, which is not what its item says"
    query = (
        f"SELECT p.job, p.claim FROM ({posted}) p LEFT JOIN item i ON i.job = p.job AND i.claim = p.claim "
        "WHERE i.job IS NULL"
    )
    for job, claim in package.rows(query):
        yield f"job {job} posted to claim {claim}, which is not one of its items"
    query = """
        SELECT p.id, p.job FROM posting p JOIN job j ON j.id = p.job LEFT JOIN posting o ON o.id = p.reverses
        WHERE json_extract(j.frozen, '$[0]') = 'reverse' AND o.job IS NOT json_extract(j.frozen, '$[17]')
           OR json_extract(j.frozen, '$[0]') = 'settle' AND p.kind <> 'write_off'"""
    for id_, job in package.rows(query):
        yield f"posting {id_} of job {job} is not one that such a job makes"
    query = """
        SELECT p.id, p.job FROM posting p JOIN job j ON j.id = p.job WHERE (p.day, p.user) IS NOT
          (json_extract(j.frozen, '$[11]'), json_extract(j.frozen, '$[14]'))
          OR p.kind = 'write_off' AND p.reason IS NOT json_extract(j.frozen, '$[3]')"""
    for id_, job in package.rows(query):
        yield f"posting {id_} has another date, user or reason than job {job}"
    for (id_,) in package.rows("SELECT id FROM posting WHERE kind = 'write_off' AND job IS NULL AND caused_by IS NULL"):
        yield f"posting {id_} is a write-off that no job posted and no later payment caused"


def _closed_months_are_as_closed(package: Package) -> Faults:
    acts = "SELECT subject, act, facts FROM act WHERE act IN ('month.closed', 'month.reopened') ORDER BY number"
    state = {subject.partition(":")[2]: (act, json.loads(facts)) for subject, act, facts in package.rows(acts)}
    for month, (act, facts) in state.items():
        if act == "month.closed" and _month_digest(package, month) != facts["digest"]:
            yield f"{month} has other postings than at its close"


def _month_digest(package: Package, month: str) -> str:
    count = lane_1 = lane_9 = 0
    for first, second in package.rows("SELECT lane_1, lane_9 FROM posting WHERE month = ?", month):
        count, lane_1, lane_9 = count + 1, lane_1 + first, lane_9 + second
    return _sha256(_joined(count, lane_1, lane_9)) if count else ""


def _dollars(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02}"


CHECKS: Final[dict[str, Callable[[Package], Faults]]] = {
    "Each file is the one that package.json names.": _files_are_whole,
    "Each act in the audit log follows from the one before it, without a gap.": _the_chain_holds,
    "Each posting is as it was posted.": _digests_are_those_of_their_postings,
    "Acts in the audit log cover all postings.": _acts_cover_the_digests,
    "Each balance is the sum of its postings.": _balances_are_the_sums,
    "Each reversal is exact, and nothing was reversed twice.": _reversals_are_exact,
    "Each job ran as it was confirmed, and over a limit only with a second user.": _jobs_are_as_confirmed,
    "Each job wrote off exactly what it says, once for each claim.": _jobs_posted_each_claim_once,
    "Each closed month has the postings of its close.": _closed_months_are_as_closed,
}
KEPT: Final = "The audit log has the entries that you kept."


def prove(package: Package, heads: list[tuple[int, str]]) -> dict[str, list[str]]:
    """Return the faults of each check. `heads` are numbers and checksums of acts that were kept elsewhere."""
    found = {sentence: list(check(package)) for sentence, check in CHECKS.items()}
    return {**found, KEPT: list(_kept_heads_are_in_it(package, heads))} if heads else found


def main() -> int:
    """Print each check and its faults. Return the exit code."""
    parser = argparse.ArgumentParser(description="Prove an audit package without the product and its database.")
    parser.add_argument("package", metavar="PACKAGE.zip")
    parser.add_argument(
        "--head",
        action="append",
        default=[],
        metavar="NUMBER:CHECKSUM",
        help="an entry of the audit log that you kept elsewhere (repeatable)",
    )
    given = parser.parse_args()
    try:
        heads = [(int(one.partition(":")[0].replace(",", "")), one.partition(":")[2]) for one in given.head]
        package = Package(given.package)
    except (NotAPackage, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    found = prove(package, heads)
    print(f"{package.about['practice']['name']}, as of {package.about['made_at']}")
    for sentence, faults in found.items():
        print(f"{'FAIL' if faults else 'ok  '}  {sentence}", *faults[:SHOWN_MAX], sep="\n      ")
        if len(faults) > SHOWN_MAX:
            print(f"      and {len(faults) - SHOWN_MAX:,} more")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

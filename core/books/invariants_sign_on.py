"""Invariants between the audit log and single sign-on, because who sets the identity provider decides who signs in."""

from typing import Final

from core.books.check import Invariant, of_practice

_ACT: Final = "e.act = 'single_sign_on.changed'"
# The settings as the audit log compares them: a value that was never set is null, false or empty.
_NOW: Final = f"""
    SELECT s.practice_id, k.key, k.value FROM single_sign_on s, LATERAL jsonb_each(
        to_jsonb(s) - 'practice_id' - 'issuer_set_by' - 'client_secret' || jsonb_build_object(
          'domains', (SELECT coalesce(jsonb_agg(d.domain), '[]') FROM (
            SELECT d.domain FROM sign_in_domain d WHERE d.practice_id = s.practice_id ORDER BY d.domain) d),
          'groups', (SELECT coalesce(jsonb_agg(jsonb_build_array(g.group_name, g.role) ORDER BY g.position), '[]')
                     FROM group_role g WHERE g.practice_id = s.practice_id))) k
    WHERE {of_practice("s")}"""
_LAST: Final = f"""
    SELECT DISTINCT ON (e.practice_id, k.key) e.practice_id, k.key, k.value->'to' AS value
    FROM audit_entry e, LATERAL jsonb_each(e.facts) k
    WHERE {of_practice("e")} AND {_ACT} AND jsonb_typeof(k.value) = 'object'
    ORDER BY e.practice_id, k.key, e.id DESC"""
_OR_NOTHING: Final = """nullif(nullif(nullif(nullif({}, 'null'), '""'), 'false'), '[]')"""
_OF_SETTINGS: Final = f"e.practice_id = s.practice_id AND {_ACT}"

SIGN_ON_INVARIANTS: Final[dict[str, Invariant]] = {
    "single_sign_on_is_as_the_audit_says": Invariant(
        "each setting of single sign-on has the value that the audit log recorded last, and names the user who set it",
        f"""SELECT 'practice ' || practice_id || ', ' || key FROM ({_NOW}) n FULL JOIN ({_LAST}) a
              USING (practice_id, key)
            WHERE {_OR_NOTHING.format("n.value")} IS DISTINCT FROM {_OR_NOTHING.format("a.value")}
            UNION ALL
            SELECT 'practice ' || s.practice_id || ', client secret' FROM single_sign_on s
            WHERE {of_practice("s")}
              AND CASE WHEN s.client_secret <> '' THEN encode(sha256(convert_to(s.client_secret, 'UTF8')), 'hex') END
                IS DISTINCT FROM (SELECT e.facts->>'client_secret_sha256' FROM audit_entry e
                  WHERE {_OF_SETTINGS} AND e.facts ? 'client_secret_sha256' ORDER BY e.id DESC LIMIT 1)
            UNION ALL
            SELECT 'practice ' || s.practice_id || ', user who set the issuer' FROM single_sign_on s
            WHERE {of_practice("s")} AND s.issuer_set_by IS DISTINCT FROM (
              SELECT e.user_id FROM audit_entry e WHERE {_OF_SETTINGS} AND e.facts ? 'issuer'
              ORDER BY e.id DESC LIMIT 1)
            UNION ALL
            SELECT 'practice ' || s.practice_id || ', user who set group ' || s.position FROM group_role s
            WHERE {of_practice("s")} AND NOT EXISTS (
              SELECT FROM audit_entry e WHERE {_OF_SETTINGS} AND e.user_id IS NOT DISTINCT FROM s.set_by
                AND (e.facts->'groups'->'to'->s.position = jsonb_build_array(s.group_name, s.role)
                  OR e.facts ? 'groups_claim'))""",
    ),
    "identities_are_as_the_audit_says": Invariant(
        "each user's identity at the identity provider is the one that the audit log recorded at the first sign-in",
        f"""SELECT 'practice ' || i.practice_id || ', user ' || i.user_id FROM user_identity i
            WHERE {of_practice("i")} AND NOT EXISTS (
              SELECT FROM audit_entry e WHERE e.practice_id = i.practice_id AND e.subject = 'user:' || i.user_id
                AND e.act = 'user.identity_linked' AND e.at = i.linked_at AND e.facts->>'identity_sha256'
                  = encode(sha256(convert_to(i.issuer || E'\\n' || i.subject, 'UTF8')), 'hex'))""",
    ),
}

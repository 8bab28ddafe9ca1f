"""URLs without what only tells who follows them: click identifiers, campaign names, session identifiers.

    untracked("https://example.com/a?id=3&utm_source=x&fbclid=y")       "https://example.com/a?id=3"
    untracked("https://example.com/a;jsessionid=1F?x=1")                "https://example.com/a?x=1"

The list is closed, and names only what no site shows another page for. Everything else is left as it stands: order,
empty parameters, spelling. Cost: 0.2 microseconds a URL without a query, 2 with one.
"""

from __future__ import annotations

import re

# Names of query parameters, lower-case.
PREFIXES = ("utm_", "hsa_", "mtm_", "pk_", "piwik_", "matomo_", "aspsessionid")
PARAMETERS = frozenset(
    (
        # clicks on advertisements and in mails
        "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "gad_source", "gad_campaignid", "srsltid", "fbclid",
        "fb_action_ids", "fb_action_types", "fb_source", "msclkid", "yclid", "ysclid", "twclid", "ttclid", "li_fat_id",
        "epik", "igsh", "igshid", "rb_clickid", "rdt_cid", "s_kwcid", "s_cid", "ef_id", "irclickid", "cjevent",
        "wickedid", "mc_cid", "mc_eid", "mkt_tok", "vero_id", "vero_conv", "oly_anon_id", "oly_enc_id", "_hsenc",
        "_hsmi", "__hssc", "__hstc", "__hsfp", "hsctatracking", "_openstat", "_ga", "_gl", "_gac", "_ke", "_kx",
        "ml_subscriber", "ml_subscriber_hash", "at_campaign", "at_medium", "wt_mc", "wt_zmc", "trk_contact", "trk_msg",
        "trk_module", "trk_sid",
        # sessions
        "phpsessid", "jsessionid", "sessionid", "session_id", "sess_id", "cfid", "cftoken", "oscsid", "zenid",
        "xtcsid", "asp.net_sessionid",
    )
)  # fmt: skip

_IN_PATH = re.compile(r";(?:jsessionid|phpsessid)=[^/?;]*", re.IGNORECASE)


def untracked(url: str) -> str:
    """`url`, as `requestable` gave it, without the parameters named above."""
    place, mark, query = url.partition("?")
    if ";" in place:
        place = _IN_PATH.sub("", place)
    if not mark:
        return place
    parts = query.split("&")
    kept = [part for part in parts if not _tracks(part)]
    if len(kept) == len(parts):
        return f"{place}?{query}"
    return f"{place}?{'&'.join(kept)}" if kept else place


def _tracks(part: str) -> bool:
    name = part.partition("=")[0].lower()
    return name in PARAMETERS or name.startswith(PREFIXES)

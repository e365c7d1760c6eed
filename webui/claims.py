"""One claim: its lines, and its ledger from the first charge to the write-off."""

from flask import Blueprint

blueprint = Blueprint("claims", __name__, url_prefix="/claims")

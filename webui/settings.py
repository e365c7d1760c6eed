"""The Balance Writeoff setting, of the practice and of its billing providers."""

from flask import Blueprint

blueprint = Blueprint("settings", __name__, url_prefix="/settings")

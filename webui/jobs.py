"""Jobs: the list, and one job through its life."""

from flask import Blueprint

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")

"""WSGI entry: ``app`` for any WSGI server. ``podhealth web`` serves the same with our own settings of gunicorn."""

from podhealth.factory import create_app
from podhealth.settings import load_settings

app = create_app(load_settings())

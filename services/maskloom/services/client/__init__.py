"""A maskloom that serves, as a Python program uses it: `Client("https://maskloom.example", token="mlm_...")`."""

from maskloom.services.client.client import Client
from maskloom.services.client.events import Event

__all__ = ["Client", "Event"]

"""What the two peers share: a transport of the real oslo.messaging configured from a JSON text."""
import json
import sys
import threading

from oslo_config import cfg
import oslo_messaging


def transport(settings, notify=False):
    """settings: {"url": ..., "exchange": ..., "rabbit": {option: value}}"""
    conf = cfg.CONF
    conf([], project="interop", default_config_files=[], default_config_dirs=[])
    factory = oslo_messaging.get_notification_transport if notify else oslo_messaging.get_rpc_transport
    oslo_messaging.set_transport_defaults(settings["exchange"])
    # set_transport_defaults changes the default of the option before the factory registers it.
    bus = factory(conf, url=settings["url"], allowed_remote_exmods=["nova.exception"])
    for name, value in settings.get("rabbit", {}).items():
        conf.set_override(name, value, group="oslo_messaging_rabbit")
    return conf, bus


one_at_a_time = threading.Lock()


def say(value):
    # Endpoints run in several threads at once, and print() writes a text and the end of its line apart.
    with one_at_a_time:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


def lines():
    for line in sys.stdin:
        yield json.loads(line)

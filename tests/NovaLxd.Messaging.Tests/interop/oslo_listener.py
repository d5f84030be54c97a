"""A notification listener of the real oslo.messaging: prints what it gets."""
import json
import sys

import oslo_messaging
import oslo_bus

settings = json.loads(sys.argv[1])
conf, bus = oslo_bus.transport(settings, notify=True)


class Endpoint(object):
    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        oslo_bus.say({"priority": "info", "context": ctxt, "publisher_id": publisher_id, "event_type": event_type,
                      "payload": payload, "metadata": metadata})

    def error(self, ctxt, publisher_id, event_type, payload, metadata):
        oslo_bus.say({"priority": "error", "context": ctxt, "publisher_id": publisher_id, "event_type": event_type,
                      "payload": payload, "metadata": metadata})


listener = oslo_messaging.get_notification_listener(
    bus, [oslo_messaging.Target(topic=topic) for topic in settings["topics"]], [Endpoint()], executor="threading")
listener.start()
oslo_bus.say("ready")
for _ in oslo_bus.lines():
    pass
listener.stop()
listener.wait()

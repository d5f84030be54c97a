"""A server of the real oslo.messaging: says "ready", ends when its input is closed."""
import json
import sys
import time

from nova import exception
import oslo_messaging
import oslo_bus

settings = json.loads(sys.argv[1])
conf, bus = oslo_bus.transport(settings)


class Endpoint(object):
    target = oslo_messaging.Target(version="3.0")

    def echo(self, ctxt, **args):
        return {"context": ctxt, "args": args}

    def nothing(self, ctxt):
        return None

    def slow(self, ctxt, seconds):
        time.sleep(seconds)
        return "done"

    def fail(self, ctxt, instance_id):
        raise exception.InstanceNotFound(instance_id=instance_id)

    def fail_builtin(self, ctxt):
        raise ValueError("wrong value")

    def note(self, ctxt, **args):
        oslo_bus.say({"note": args})


target = oslo_messaging.Target(topic=settings["topic"], server=settings["server"])
server = oslo_messaging.get_rpc_server(bus, target, [Endpoint()], executor="threading", access_policy=oslo_messaging.DefaultRPCAccessPolicy)
server.start()
oslo_bus.say("ready")
for _ in oslo_bus.lines():
    pass
server.stop()
server.wait()
bus.cleanup()

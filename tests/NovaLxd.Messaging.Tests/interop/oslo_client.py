"""A client of the real oslo.messaging: one request per line of input, one answer per line of output."""
import json
import sys

from nova import context
from nova import exception  # noqa: F401  oslo.messaging rebuilds its classes
import oslo_messaging
import oslo_bus

conf, bus = oslo_bus.transport(json.loads(sys.argv[1]))
oslo_bus.say("ready")
for request in oslo_bus.lines():
    target = oslo_messaging.Target(
        topic=request["topic"], server=request.get("server"), namespace=request.get("namespace"),
        version=request.get("version"), fanout=request["kind"] == "fanout" or None)
    client = oslo_messaging.get_rpc_client(
        bus, target, timeout=request.get("timeout", 180), call_monitor_timeout=request.get("monitor"))
    ctxt = context.RequestContext(user_id="alice", project_id="demo", roles=["member"], is_admin=False, auth_token="tok").to_dict()
    try:
        if request["kind"] == "call":
            oslo_bus.say({"result": client.call(ctxt, request["method"], **request["args"]), "request_id": ctxt["request_id"]})
        else:
            client.cast(ctxt, request["method"], **request["args"])
            oslo_bus.say({"sent": True})
    except Exception as e:
        oslo_bus.say({"class": type(e).__name__, "module": type(e).__module__, "text": str(e),
                      "kwargs": getattr(e, "kwargs", {}), "exc_type": getattr(e, "exc_type", None), "value": str(getattr(e, "value", ""))})
bus.cleanup()

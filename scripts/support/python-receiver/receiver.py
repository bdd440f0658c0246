"""A function in Python: the ReceiverService of the contract with the stock grpcio and the code it generates. What becomes of a
message is what its text says. Each call is told on standard output, as a line of JSON; the first line is the port.

    receiver.py <folder of the generated code>
"""

import base64
import json
import sys
import threading
import time
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])

from forebay.topic.v1 import receiver_service_pb2 as pb  # noqa: E402
from forebay.topic.v1 import receiver_service_pb2_grpc as rpc  # noqa: E402

RETRY_SECONDS = 2
printing = threading.Lock()


def tell(what: dict) -> None:
    with printing:
        print(json.dumps(what), flush=True)


class Receiver(rpc.ReceiverServiceServicer):
    def Deliver(self, request: pb.DeliverRequest, context: grpc.ServicerContext) -> pb.DeliverResponse:
        tell(
            {
                "at": time.monotonic(),
                "subscription": request.subscription,
                "authorization": dict(context.invocation_metadata()).get("authorization"),
                "notifications": [told(each) for each in request.notifications],
            }
        )
        texts = {each.notification.text for each in request.notifications}
        if "denied" in texts:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for me")
        if "away" in texts and request.notifications[0].attempt == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "come again")
        return pb.DeliverResponse(results=[judged(each) for each in request.notifications])

    def Confirm(self, request: pb.ConfirmRequest, context: grpc.ServicerContext) -> pb.ConfirmResponse:
        return pb.ConfirmResponse(token=request.token)


def judged(delivered: pb.DeliveredNotification) -> pb.DeliverResult:
    result = pb.DeliverResult(message_id=delivered.notification.message_id)
    text = delivered.notification.text
    if text == "retry" and delivered.attempt == 1:
        result.retry.delay.FromSeconds(RETRY_SECONDS)
    elif text == "reject":
        result.reject.reason = "no good"
    else:
        result.ack.SetInParent()
    return result


def told(delivered: pb.DeliveredNotification) -> dict:
    message = delivered.notification
    return {
        "messageId": message.message_id,
        "topic": message.topic,
        "subject": message.subject,
        "attempt": delivered.attempt,
        "body": message.WhichOneof("body"),
        "text": message.text,
        "data": base64.b64encode(message.data).decode(),
        "attributes": {name: value.string_value for name, value in message.attributes.items()},
        "lambdaEvent": delivered.lambda_event,
    }


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    rpc.add_ReceiverServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tell({"port": port})
    # Its input ends with whoever started it.
    sys.stdin.read()
    server.stop(grace=None)


main()

"""Message classes out of descriptors, by whichever protobuf is installed."""
from google.protobuf import message_factory


def of(descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    # Before protobuf 4.22, which is Debian 12's.
    return message_factory.MessageFactory(descriptor.file.pool).GetPrototype(descriptor)

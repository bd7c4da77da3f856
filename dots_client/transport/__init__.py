"""CoAP over DTLS 1.2 with certificates on both sides: engine, sockets, aiocoap contexts."""

"""CoAP over DTLS and TLS with certificates on both sides: engines, sockets, aiocoap contexts."""

"""Succeeds if the Hub answers by HTTPS here, with any certificate: answers.py NAME [PORT]"""

import http.client
import socket
import ssl
import sys

name, port = sys.argv[1], int((sys.argv[2:] or ["443"])[0])
context = ssl.create_default_context()
context.check_hostname = False  # whether browsers trust its authority is theirs to say
context.verify_mode = ssl.CERT_NONE
connection = http.client.HTTPSConnection(name, port, timeout=5, context=context)
plain = socket.create_connection(("127.0.0.1", port), 5)  # whatever the name resolves to
connection.sock = context.wrap_socket(plain, server_hostname=name)
connection.request("GET", "/hub/health")
sys.exit(connection.getresponse().status != 200)

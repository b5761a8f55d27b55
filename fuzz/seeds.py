#!/usr/bin/env python3
"""Writes the seeds of fuzz/corpus that were made by hand: the examples of the RFC, and one input for each rule.

The settings in front of each seed are read by the target's body in fuzz/src. Seeds from crashes are files of their
own beside these, and are not written here.
"""

import pathlib

CORPUS = pathlib.Path(__file__).parent / "corpus"
KEY = bytes.fromhex("37fa213d")


def seed(target, name, data):
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def mask(payload, key=KEY):
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def frame(first, payload=b"", key=None, announced=None):
    """A frame; `announced` is the payload length of the header where it is another one."""
    length = len(payload) if announced is None else announced
    bit = 0 if key is None else 0x80
    if length < 126:
        head = bytes([first, bit | length])
    elif length < 1 << 16:
        head = bytes([first, bit | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([first, bit | 127]) + length.to_bytes(8, "big")
    return head + (payload if key is None else key + mask(payload, key))


def headers():
    seed("header", "rfc-5.7-text", frame(0x81, b"Hello"))
    seed("header", "rfc-5.7-text-masked", frame(0x81, b"Hello", KEY))
    seed("header", "rfc-5.7-binary-256", frame(0x82, announced=256))
    seed("header", "rfc-5.7-binary-65536", frame(0x82, announced=65536))
    seed("header", "longest-masked", frame(0x82, b"", KEY, announced=(1 << 63) - 1))
    seed("header", "reserved-opcode", b"\x83\x00")
    seed("header", "reserved-bits", b"\xf1\x00")
    seed("header", "length-16-not-minimal", b"\x82\x7e\x00\x7d")
    seed("header", "length-64-not-minimal", b"\x82\x7f" + (65535).to_bytes(8, "big"))
    seed("header", "length-out-of-range", b"\x82\x7f\x80" + bytes(7))
    seed("header", "incomplete-length", b"\x82\xff\x00\x00")
    seed("header", "incomplete-key", b"\x82\x85\x37\xfa")


SERVER, CLIENT = 0, 1
DRAINS = 2
LIMITS_300, LIMITS_16, ONE_FRAGMENT = 1 << 2, 2 << 2, 3 << 2


def receive(name, wire, settings=SERVER | DRAINS, views=0b0101_0010, cuts=b"\x01\x03\x02", appended=0):
    front = bytes([settings, views, len(cuts)]) + cuts + bytes([appended])
    seed("receive", name, front + wire)


def receives():
    from_client = lambda first, payload=b"", **more: frame(first, payload, KEY, **more)
    receive("rfc-5.7-text", frame(0x81, b"Hello"), CLIENT)
    receive("rfc-5.7-text-masked", from_client(0x81, b"Hello"))
    receive("rfc-5.7-text-fragmented", frame(0x01, b"Hel") + frame(0x80, b"lo"), CLIENT)
    receive("rfc-5.7-ping-pong", frame(0x89, b"Hello") + frame(0x8A, b"Hello"), CLIENT | DRAINS)
    receive("rfc-5.7-binary-256", frame(0x82, announced=256), CLIENT, appended=5)
    receive("binary-4100-shared", from_client(0x82, announced=4100), appended=7)
    receive("large-in-two-frames", from_client(0x02, 9 * b"a") + from_client(0x80, announced=2048), appended=6)
    receive("ping-inside-message", frame(0x01, b"\xe2\x82") + frame(0x89, b"?") + frame(0x80, b"\xac"), CLIENT)
    receive("empty-fragments", frame(0x01) + frame(0x00) + frame(0x00, b"a") + frame(0x80), CLIENT, 0)
    receive("empty-messages", frame(0x81) + frame(0x82), CLIENT)
    receive("views-mixed", frame(0x02, b"abc") + frame(0x00, b"def") + frame(0x80, b"ghi") + frame(0x81, b"z"), CLIENT)
    receive("close-inside-message", frame(0x01, b"a") + frame(0x88), CLIENT, 0b1111_1110, b"\xff")
    receive("close-normal", from_client(0x88, b"\x03\xe8bye") + from_client(0x81, b"late"))
    receive("close-empty", from_client(0x88))
    pings = b"".join(frame(0x89, 20 * ping) for ping in (b"a", b"b", b"c", b"d", b"e"))
    receive("pings-in-a-crowd", pings, CLIENT | LIMITS_300)
    receive("unmasked-from-client", frame(0x81, b"Hello"))
    receive("masked-from-server", from_client(0x81, b"Hello"), CLIENT)
    receive("reserved-bit", from_client(0xC1, b"Hello"))
    receive("reserved-opcode", from_client(0x8B))
    receive("length-not-minimal", b"\x82\xfe\x00\x05" + KEY)
    receive("length-out-of-range", b"\x82\xff\x80" + bytes(7) + KEY)
    receive("continuation-without-start", from_client(0x80, b"a"))
    receive("message-inside-message", from_client(0x01, b"a") + from_client(0x81, b"b"))
    receive("control-too-long", from_client(0x89, announced=126))
    receive("control-fragmented", from_client(0x09, b"a"))
    receive("close-one-byte", from_client(0x88, b"\x03"))
    receive("close-code-1005", from_client(0x88, b"\x03\xed"))
    receive("close-reason-not-utf8", from_client(0x88, b"\x03\xe8\xff"))
    receive("text-not-utf8", from_client(0x81, b"\xed\xa0\x80"))
    receive("text-not-utf8-inside-frame", from_client(0x81, b"a\xc0", announced=100))
    receive("text-not-utf8-across-frames", frame(0x01, b"\xf0\x9d") + frame(0x80, b"a"), CLIENT)
    receive("text-ends-inside-character", frame(0x81, b"\xe2\x82"), CLIENT)
    receive("frame-too-large", frame(0x82, announced=9), CLIENT | LIMITS_16)
    receive("message-too-large", frame(0x02, 8 * b"a") + frame(0x00, 8 * b"a") + frame(0x80, b"a"), CLIENT | LIMITS_16)
    receive("too-many-fragments", frame(0x02, b"a") + 3 * frame(0x00, b"a"), CLIENT | LIMITS_16)
    receive("one-fragment-allowed", frame(0x02, b"a") + frame(0x80, b"a"), CLIENT | ONE_FRAGMENT)
    receive("eof-without-close", from_client(0x81, b"Hello")[:-2])


def masks():
    cuts = b"\x03\x00\x05"
    front = lambda key, repeated: key + bytes([len(cuts)]) + cuts + bytes([repeated - 1])
    seed("mask", "rfc-5.7-hello", front(KEY, 1) + b"Hello")
    seed("mask", "key-of-zeros", front(bytes(4), 2) + b"Hello")
    seed("mask", "empty", front(KEY, 1))
    seed("mask", "lanes-and-a-tail", front(KEY, 13) + bytes(range(67)))
    seed("mask", "one-lane", front(KEY, 2) + bytes(range(32)))


def utf8s():
    cuts = b"\x01\x02"
    text = lambda name, data: seed("utf8", name, bytes([len(cuts)]) + cuts + data)
    text("each-length", "aß€𝄞".encode())
    text("boundaries", "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff".encode())
    text("ends-inside-character", b"a\xf0\x9d\x84")
    text("surrogate", b"\xed\xa0\x80")
    text("overlong", b"\xc0\xaf")
    text("overlong-three", b"\xe0\x9f\xbf")
    text("overlong-four", b"\xf0\x8f\xbf\xbf")
    text("above-10ffff", b"\xf4\x90\x80\x80")
    text("continuation-alone", b"a\x80")
    text("start-after-start", b"\xe2\x82\xe2\x82\xac")
    text("ascii", 70 * b"a")


SEND, BINARY, TEXT_CHUNK, BINARY_CHUNK, PING, PONG, CLOSE = range(7)
DELIVER, DELIVER_ALL, TICK, EOF, ABANDON, POST, SEND_PREPARED = range(7, 14)
DROP_NEWEST, DROP_OLDEST, OR_CLOSE, PREPARED = 0, 1, 2, 0x80
SMALL_CLIENT, CLIENT_SHOWS_PINGS, SERVER_SHOWS_PINGS, TAKEOVER, NO_TAKEOVER = 1, 0x10, 0x20, 0x40, 0xC0
OF_SERVER, FIN = 0x80, 0x80


def pair(name, *steps, settings=0):
    seed("pair", name, bytes([settings, *steps]))


def pairs():
    pair("hello", SEND, 10, DELIVER_ALL, OF_SERVER | SEND, 20, OF_SERVER | DELIVER_ALL)
    pair("three-forms-of-length", SEND, 125, SEND, 126, BINARY, 7, 255, OF_SERVER | BINARY, 7, 255)
    pair("byte-by-byte", SEND, 3, *(20 * [DELIVER, 1]))
    pair("chunks", TEXT_CHUNK, 2, 0xE2, 0x82, PING, 5, TEXT_CHUNK, FIN | 1, 0xAC, settings=0xC)
    pair("chunks-whole-view", BINARY_CHUNK, 1, 65, DELIVER_ALL, BINARY_CHUNK, FIN | 1, 66)
    pair("message-inside-chunks", BINARY_CHUNK, 1, 65, SEND, 5, TEXT_CHUNK, 1, 65, BINARY_CHUNK, FIN)
    pair("chunk-not-utf8", TEXT_CHUNK, 1, 0xFF, TEXT_CHUNK, 1, 0xC3, TEXT_CHUNK, FIN | 1, 65)
    pair("ping-and-pong", PING, 5, OF_SERVER | PONG, 7, PING, 126, OF_SERVER | DELIVER_ALL, DELIVER_ALL)
    pair("pings-in-a-crowd", *(6 * [PING, 30]), *(6 * [DELIVER, 50]), settings=0xF)
    pair(
        "pong-behind-a-newer-one",
        *(PING, 30, PING, 30, PING, 31, DELIVER_ALL, OF_SERVER | DELIVER, 60, PING, 20, DELIVER_ALL),
        settings=3,
    )
    pair("full", *(5 * [SEND, 120]), DELIVER_ALL, SEND, 120, settings=3)
    pair("close-by-client", SEND, 9, CLOSE, 0x03, 0xE8, 4, SEND, 9, DELIVER_ALL, OF_SERVER | DELIVER_ALL)
    pair("close-by-server", OF_SERVER | CLOSE, 0x0F, 0xA0, 200, DELIVER_ALL)
    pair("close-by-both", CLOSE, 0, 0, 0, OF_SERVER | CLOSE, 0x03, 0xE9, 0, SEND, 5)
    pair("data-while-closing", CLOSE, 0x03, 0xE8, 0, OF_SERVER | SEND, 40, OF_SERVER | PING, 4)
    pair("close-inside-chunks", TEXT_CHUNK, 2, 65, 65, CLOSE, 0, 0, 0, settings=0xC)
    pair("keepalive", TICK, 0, TICK, 30, DELIVER_ALL, OF_SERVER | DELIVER_ALL, TICK, 20, TICK, 30)
    pair("silence", TICK, 0, TICK, 30, TICK, 50, SEND, 5)
    pair("close-times-out", CLOSE, 0x03, 0xE8, 0, TICK, 1, TICK, 100)
    pair("eof", SEND, 50, OF_SERVER | EOF, DELIVER_ALL, OF_SERVER | SEND, 5)
    pair("posts", POST, DROP_NEWEST, 9, SEND, 5, POST, PREPARED | DROP_OLDEST, 220, POST, OR_CLOSE, 0, DELIVER, 9)
    for name, policy in [("newest", DROP_NEWEST), ("oldest", DROP_OLDEST), ("close", OR_CLOSE)]:
        posts = [POST, policy, 90, POST, policy, 100, POST, PREPARED | policy, 110, POST, policy, 120]
        pair(f"posts-over-the-limit-{name}", *posts, DELIVER, 50, POST, policy, 20, settings=SMALL_CLIENT)
    behind = [TEXT_CHUNK, 1, 65, POST, DROP_NEWEST, 200, POST, DROP_NEWEST, 200, DELIVER_ALL]
    pair("posts-behind-chunks", *behind, PING, 5, TEXT_CHUNK, FIN | 1, 66, SEND, 3, settings=SMALL_CLIENT)
    pair("posts-behind-chunks-keep-no-time", *behind, TICK, 1, TICK, 30, *(4 * [OF_SERVER | PING, 1, OF_SERVER | DELIVER_ALL, TICK, 30]))
    pair("posts-behind-chunks-and-the-end", *behind, CLOSE, 0x03, 0xE8, 0, DELIVER_ALL, settings=SMALL_CLIENT)
    pair("posts-behind-chunks-and-eof", *behind, EOF)
    pair("posts-before-a-refused-chunk", POST, DROP_NEWEST, 9, TEXT_CHUNK, 1, 0xFF, POST, DROP_OLDEST, 9)
    windows = [SEND, 100, SEND_PREPARED, 150, SEND, 100, TEXT_CHUNK, 1, 65, TEXT_CHUNK, FIN | 1, 65, SEND_PREPARED, 220, SEND, 220]
    pair("prepared", *windows)
    pair("prepared-with-takeover", *windows, settings=TAKEOVER)
    pair("prepared-without-takeover", *windows, *(OF_SERVER | SEND_PREPARED, 210), settings=NO_TAKEOVER)
    pair("pings-shown", PING, 5, PING, 6, OF_SERVER | PING, 7, DELIVER_ALL, PONG, 7, settings=SERVER_SHOWS_PINGS)
    pair("pings-shown-to-a-client", OF_SERVER | PING, 5, OF_SERVER | DELIVER_ALL, settings=CLIENT_SHOWS_PINGS)
    pair("abandon", SEND, 50, DELIVER, 20, ABANDON, SEND, 5, OF_SERVER | SEND, 5)


TALK, LISTEN = 0, 1
SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER = 1, 2
LARGEST, SMALLEST = 0x77, 0x00
SAY, SAY_COMPRESSED, SAY_PLAIN, SAY_CHUNK, SAY_LAST, SAY_PING, CARRY, CARRY_ALL = range(8)
SAME, INPUT, AGAIN, NOISE, WORDS = range(5)
RAW, FRAMED, COMPRESSED = 0, 1 << 3, 2 << 3
LIMIT_5000, LIMIT_300, LIMIT_10 = 1 << 1, 2 << 1, 3 << 1


def talk(name, *steps, takeover=0, windows=LARGEST, client=(3, 64, 0), server=(6, 64, 1)):
    seed("deflate", name, bytes([TALK, takeover, windows, *client, *server, *steps]))


def listen(name, behind, settings=RAW, takeover=0, windows=LARGEST, ratio=0, cuts=b"\x01\x03\x02"):
    front = bytes([LISTEN, takeover, windows, settings, ratio, len(cuts)]) + cuts
    seed("deflate", name, front + behind)


def deflates():
    hello = bytes.fromhex("f248cdc9c90700")
    shared = bytes.fromhex("f200110000")
    talk("words", SAY, WORDS, 199, CARRY_ALL, OF_SERVER | SAY, WORDS, 210, OF_SERVER | CARRY, 9, OF_SERVER | CARRY_ALL)
    talk("again-and-again", *(SAY, NOISE, 220, SAY, AGAIN, 220, SAY, AGAIN, 255, CARRY_ALL), windows=0x11)
    talk("without-takeover", *(2 * [SAY_COMPRESSED, WORDS, 30, SAY_COMPRESSED, WORDS, 0]), takeover=3)
    talk("empty-behind-empty", *(3 * [SAY_COMPRESSED, SAME, 0, 0]), CARRY_ALL, SAY_COMPRESSED, WORDS, 90)
    talk("ends-in-nothing", SAY_CHUNK, WORDS, 90, SAY_CHUNK, SAME, 0, 0, SAY_LAST, SAME, 0, 0, SAY, WORDS, 90)
    talk("plain-between", SAY, WORDS, 90, SAY_PLAIN, NOISE, 200, SAY, AGAIN, 90, CARRY_ALL)
    talk("pings-between", SAY_CHUNK, WORDS, 90, SAY_PING, SAY_LAST, WORDS, 90, CARRY, 50, CARRY, 50)
    talk("smallest-window", SAY_COMPRESSED, NOISE, 210, OF_SERVER | SAY_COMPRESSED, WORDS, 210, windows=SMALLEST)
    talk("level-0", SAY, NOISE, 255, SAY, WORDS, 255, client=(0, 1, 1))
    listen("rfc-7.2.3.1", frame(0xC1, hello))
    listen("rfc-7.2.3.2", frame(0xC1, hello) + frame(0xC1, shared))
    listen("rfc-7.2.3.2-no-takeover", frame(0xC1, hello) + frame(0xC1, shared), takeover=SERVER_NO_TAKEOVER)
    listen("rfc-7.2.3.3", frame(0xC1, b"\0\x05\0\xfa\xffHello\0"))
    listen("rfc-7.2.3.4", frame(0xC1, bytes.fromhex("f348cdc9c9070000")))
    listen("rfc-7.2.3.5", frame(0xC1, bytes.fromhex("f24805000000ffffcac9c90700")))
    listen("rfc-7.2.3.6", frame(0xC1, b"\0"))
    listen("fragments-and-pings", frame(0x41, hello[:3]) + frame(0x89) + frame(0) + frame(0x80, hello[3:]))
    listen("framed", bytes([0x41, 3]) + hello[:3] + bytes([0x80, 4]) + hello[3:], settings=FRAMED | SERVER_NO_TAKEOVER)
    listen("not-utf8-behind-the-limit", frame(0xC1, b"\0\x0c\0\xf3\xff0123456789a\xff\0"), settings=LIMIT_10)
    listen("not-utf8-before-an-error", frame(0xC1, b"\0\x01\0\xfe\xff\xff\x06"))
    listen("ends-inside-a-block", frame(0xC1, hello[:-1]))
    bomb = bytes.fromhex("ecc18100000000c320d6f94bfc205501") + bytes(62) + bytes.fromhex("c00d")
    listen("ratio", frame(0x42, bomb) + frame(0x80, b"\0"), ratio=100)
    listen("too-large", frame(0xC2, bomb), settings=LIMIT_5000)
    changes = b"\x10\x01\x20\0\0\0\0"
    listen("changed", b"\x06\xff\0" + changes + bytes([1, WORDS, 210, 2, WORDS, 90, 6, WORDS, 0]), settings=COMPRESSED)
    listen("bounded", b"\x01\xff\0" + bytes(7) + bytes([1, SAME, 230, 97]), settings=COMPRESSED | LIMIT_300)


SAMPLE = """GET /chat HTTP/1.1
Host: server.example.com
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13

"""
SMALL_HEAD, FEW_FIELDS, APPEND, OWN_CLIENT = 1, 2, 0x18, 0x80
CUTS = b"\x05\x40\x07"


def request(name, text, settings=0, behind=b""):
    head = text.replace("\n", "\r\n").encode() if settings != OWN_CLIENT else text.encode()
    seed("request", name, bytes([settings, len(CUTS)]) + CUTS + head + behind)


def requests():
    # The line in the place of another one, or behind the last.
    changed = lambda old, new: SAMPLE.replace(old, new)
    added = lambda line: SAMPLE[:-1] + line + "\n\n"
    request("rfc-1.2", added("Origin: http://example.com\nSec-WebSocket-Protocol: chat, superchat"))
    request("rfc-1.3-first-frame-behind", SAMPLE, behind=b"\x89\x80" + KEY)
    request("two-requests", SAMPLE + SAMPLE)
    request("absolute-form", changed("/chat", "ws://[::1]:8080/chat?a=b"))
    request("lists", changed("Connection: Upgrade", "Connection: ,keep-alive , UPGRADE\nConnection: te"))
    request("upgrade-list", changed("websocket\n", "h2c, WebSocket/13\n"))
    request("extensions", added('Sec-WebSocket-Extensions: a;b="c\\d";e, permessage-deflate; client_max_window_bits'))
    request("extensions-malformed", added('Sec-WebSocket-Extensions: a;b="c'))
    request("subprotocols-twice", added("Sec-WebSocket-Protocol: a\nSec-WebSocket-Protocol: b,a"))
    request("subprotocols-empty", added("Sec-WebSocket-Protocol: ,"))
    request("origin-elsewhere", added("Origin: https://example.com:8443"))
    request("origin-null", added("Origin: null"))
    request("origin-twice", added("Origin: http://a\nOrigin: http://b"))
    request("no-upgrade", "GET / HTTP/1.1\nHost: a\n\n")
    request("no-headers", "GET / HTTP/1.1\n\n")
    request("everything-wrong", "POST * HTTP/1.0\nHost: a b\nContent-Length: 5\nSec-WebSocket-Key: x\n\n", behind=b"hello")
    request("version-8", changed("13", "8"))
    request("version-twice", added("Sec-WebSocket-Version: 13"))
    request("key-too-short", changed("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="))
    request("key-without-padding", changed("ZQ==", "ZQ"))
    request("key-with-bits-behind-the-end", changed("ZQ==", "ZR=="))
    request("key-twice", added("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="))
    request("host-twice", added("Host: b"))
    request("host-invalid", changed("server.example.com", "a@b:99999"))
    request("target-with-fragment", changed("/chat", "/chat#a"))
    request("method-post", changed("GET", "POST"))
    request("body-chunked", added("Transfer-Encoding: chunked"))
    request("http-1.0", changed("1.1", "1.0"))
    request("http-2-preface", "PRI * HTTP/2.0\n\nSM\n\n")
    request("line-feed-alone", "GET / HTTP/1.1\n", behind=b"Host: a\n\n")
    request("line-folded", added("X: a\n b"))
    request("space-before-colon", changed("Host:", "Host :"))
    request("control-in-value", added("X: a\x01b"))
    request("obs-text", added("X: \u00fc"))
    request("tls-hello", "", behind=b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n")
    request("empty-line-first", "\n" + SAMPLE)
    request("head-too-large", added("X: " + 200 * "a"), SMALL_HEAD)
    request("too-many-fields", added("X: a\nY: b"), FEW_FIELDS)
    request("incomplete", SAMPLE[:-1])
    request("own-client", "wss://example.com:8443/chat?room=1\nchat\nsuperchat\nOrigin:https://example.com\nX:", OWN_CLIENT)
    request("own-client-address", "ws://[::1]:80\nbad token\nHost:b\nX:a\rb\nCookie:a=1\nCookie:b=2", OWN_CLIENT)
    request("own-client-query-only", "ws://a?b\nOrigin:a\nOrigin:b", OWN_CLIENT)


REPLY = """HTTP/1.1 101 Switching Protocols
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=

"""


def response(name, text, settings=0, behind=b"", cuts=CUTS):
    seed("response", name, bytes([settings, len(cuts)]) + cuts + text.replace("\n", "\r\n").encode() + behind)


def responses():
    changed = lambda old, new: REPLY.replace(old, new)
    added = lambda line: REPLY[:-1] + line + "\n\n"
    chunked = lambda body: "HTTP/1.1 503 \nTransfer-Encoding: gzip, chunked\n\n" + body
    response("rfc-1.3", added("Sec-WebSocket-Protocol: chat"))
    response("first-frame-behind", REPLY, behind=b"\x81\x05Hello")
    response("two-replies", REPLY + REPLY)
    response("interim", "HTTP/1.1 103 Early Hints\nLink: a\n\n" + "HTTP/1.1 100 \n\n" + REPLY)
    response("interim-without-end", 20 * "HTTP/1.1 100 \n\n", SMALL_HEAD)
    response("accept-wrong", changed("s3pP", "t3pP"))
    response("accept-missing", changed("Sec-WebSocket-Accept", "X"))
    response("accept-twice", added("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    response("upgrade-elsewhere", changed("websocket", "websocket, h2c"))
    response("connection-close", changed("Connection: Upgrade", "Connection: close"))
    response("connection-in-two-fields", changed("Connection: Upgrade", "Connection: \nConnection: ,Upgrade"))
    response("subprotocol-not-offered", added("Sec-WebSocket-Protocol: other"))
    response("subprotocol-twice", added("Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: chat"))
    response("extension-not-offered", added("Sec-WebSocket-Extensions: permessage-deflate"))
    response("http-1.0", changed("1.1", "1.0"))
    response("not-http", "SSH-2.0-OpenSSH\n\n")
    response("empty-line-first", "\n" + REPLY)
    response("line-feed-alone", "HTTP/1.1 101 \n", behind=b"Upgrade: websocket\n\n")
    response("head-too-large", added("X: " + 200 * "a"), SMALL_HEAD)
    response("too-many-fields", added("A: a\nB: b\nC: c\nD: d"), FEW_FIELDS)
    response("refused-length", "HTTP/1.1 401 Unauthorized\nContent-Length: 5\n\nhello", behind=b"more")
    response("refused-length-invalid", "HTTP/1.1 401 \nContent-Length: +5\n\nhello")
    response("refused-no-content", "HTTP/1.1 204 \nContent-Length: 5\n\n")
    response("refused-redirect", "HTTP/1.1 301 \nLocation: /\nContent-Length: 0\n\n")
    response("refused-until-eof", "HTTP/1.1 404 Not Found\n\nnothing here")
    response("refused-chunked", chunked("5\nhello\n1;a=b\n!\n0\n\n"))
    response("refused-chunked-malformed", chunked("5\nhello!\n"))
    response("refused-chunk-size-malformed", chunked("zz\nhello\n"))
    response("refused-chunk-line-long", chunked("1;" + 300 * "a" + "\n!\n0\n\n"))
    response("refused-with-a-long-body", "HTTP/1.1 500 \nContent-Length: 99999\n\n", APPEND)
    response("incomplete", REPLY[:-1])


headers()
receives()
masks()
utf8s()
pairs()
deflates()
requests()
responses()

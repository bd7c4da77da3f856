"""What people paste as a target, and the result: a target, or a code with suggestions."""

from __future__ import annotations

import pytest

from portal.core.targets import Code, Suggestion, TargetError, classify, read, split
from portal.core.targets.text import MAX_LAYERS
from portal.core.wording import targets as words

PASTED: list[tuple[str, str]] = [
    # as it is
    ("203.0.113.7", "203.0.113.7/32"),
    ("203.0.113.0/24", "203.0.113.0/24"),
    ("203.0.113.0/26", "203.0.113.0/26"),
    ("2001:db8::1", "2001:db8::1/128"),
    ("2001:DB8:10::/48", "2001:db8:10::/48"),
    ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1/128"),
    ("2001:db8::203.0.113.7", "2001:db8::cb00:7107/128"),
    ("shop.acme.example", "shop.acme.example"),
    ("Shop.Acme.Example.", "shop.acme.example"),
    ("my_shop.acme.example", "my_shop.acme.example"),
    ("r3---sn-4g5e.acme.example", "r3---sn-4g5e.acme.example"),
    ("https://shop.acme.example/", "https://shop.acme.example/"),
    ("203.0.113.7/32", "203.0.113.7/32"),
    ("2001:db8::/128", "2001:db8::/128"),
    ("0.0.0.0/8", "0.0.0.0/8"),
    ("203-0-113-7.dsl.acme.example", "203-0-113-7.dsl.acme.example"),
    ("x.y.z.acme.example", "x.y.z.acme.example"),
    # invisible
    ("\ufeff203.0.113.7", "203.0.113.7/32"),
    ("203.0.113.7\u200e", "203.0.113.7/32"),
    ("203.\u200b0.113.7", "203.0.113.7/32"),
    ("\u2066203.0.113.7\u2069", "203.0.113.7/32"),
    ("\u202d203.0.113.7\u202c", "203.0.113.7/32"),
    ("203.0.113.7\xa0", "203.0.113.7/32"),
    ("\xa0\u3000203.0.113.7", "203.0.113.7/32"),
    ("203.0.113.7\r\n", "203.0.113.7/32"),
    ("\t203.0.113.7", "203.0.113.7/32"),
    ("shop\xad.acme.example", "shop.acme.example"),
    ("\ufeffhttps://shop.acme.example/", "https://shop.acme.example/"),
    ("203.0.113.7\ufe0f", "203.0.113.7/32"),
    ("203.0.113.7\U000e0100", "203.0.113.7/32"),
    ("203.0.113.7\u200d", "203.0.113.7/32"),
    ("\u3164203.0.113.7", "203.0.113.7/32"),
    ("203.0.113.7\x00", "odd-characters"),
    ("203.0.113.7\x01", "odd-characters"),
    ("203.0.113.7\ue000", "odd-characters"),
    # widths
    ("２０３．０．１１３．７", "203.0.113.7/32"),
    ("203。0。113。7", "203.0.113.7/32"),
    ("203｡0｡113｡7", "203.0.113.7/32"),
    ("2001：db8：：1", "2001:db8::1/128"),
    ("203.0.113.0／26", "203.0.113.0/26"),
    ("٢٠٣.٠.١١٣.٧", "203.0.113.7/32"),
    ("𝟐𝟎𝟑.𝟎.𝟏𝟏𝟑.𝟕", "203.0.113.7/32"),
    ("ｓｈｏｐ．ａｃｍｅ．ｅｘａｍｐｌｅ", "shop.acme.example"),
    ("shop–eu.acme.example", "shop-eu.acme.example"),
    ("203.0.113.0/²", "not-a-prefix"),
    ("203.0.113.²", "last-label-is-a-number"),
    ("①.example", "1.example"),
    ("ｈｔｔｐｓ：／／shop.acme.example／", "https://shop.acme.example/"),
    # around
    ("\"203.0.113.7\"", "203.0.113.7/32"),
    ("'203.0.113.7'", "203.0.113.7/32"),
    ("`203.0.113.7`", "203.0.113.7/32"),
    ("“203.0.113.7”", "203.0.113.7/32"),
    ("„203.0.113.7“", "203.0.113.7/32"),
    ("«203.0.113.7»", "203.0.113.7/32"),
    ("‘shop.acme.example’", "shop.acme.example"),
    ("(203.0.113.7)", "203.0.113.7/32"),
    (f"{'(' * MAX_LAYERS}203.0.113.7{')' * MAX_LAYERS}", "203.0.113.7/32"),
    (f"{'(' * 500}203.0.113.7{')' * 500}", "not-a-name"),
    ("[203.0.113.7]", "203.0.113.7/32"),
    ("<203.0.113.7>", "203.0.113.7/32"),
    ("{203.0.113.7}", "203.0.113.7/32"),
    ("⟨203.0.113.7⟩", "203.0.113.7/32"),
    ("【203.0.113.7】", "203.0.113.7/32"),
    ("(\"203.0.113.7\")", "203.0.113.7/32"),
    ("(203.0.113.7", "203.0.113.7/32"),
    ("203.0.113.7)", "203.0.113.7/32"),
    ("203.0.113.7,", "203.0.113.7/32"),
    ("203.0.113.7;", "203.0.113.7/32"),
    ("203.0.113.7.", "203.0.113.7/32"),
    ("203.0.113.7:", "203.0.113.7/32"),
    ("203.0.113.7/", "203.0.113.7/32"),
    ("203.0.113.0/24/", "203.0.113.0/24"),
    ("|203.0.113.7|", "203.0.113.7/32"),
    ("203.0.113.7!", "203.0.113.7/32"),
    ("- 203.0.113.7", "203.0.113.7/32"),
    ("* 203.0.113.7", "203.0.113.7/32"),
    ("• 203.0.113.7", "203.0.113.7/32"),
    ("> 203.0.113.7", "203.0.113.7/32"),
    ("<https://shop.acme.example/>", "https://shop.acme.example/"),
    ("(https://shop.acme.example/a_(b))", "https://shop.acme.example/a_(b)"),
    ("https://shop.acme.example/a_(b)", "https://shop.acme.example/a_(b)"),
    ("\"https://shop.acme.example/\"", "https://shop.acme.example/"),
    ("shop.acme.example/", "shop.acme.example"),
    ("shop.acme.example,", "shop.acme.example"),
    ("", "empty"),
    ("   ", "empty"),
    ("\"\"", "empty"),
    ("[]", "empty"),
    ("...", "empty"),
    # defanged
    ("203[.]0[.]113[.]7", "203.0.113.7/32"),
    ("203(.)0(.)113(.)7", "203.0.113.7/32"),
    ("203{.}0{.}113{.}7", "203.0.113.7/32"),
    ("203[dot]0[dot]113[dot]7", "203.0.113.7/32"),
    ("203.0.113[.]7", "203.0.113.7/32"),
    ("203.0.113[.]0/24", "203.0.113.0/24"),
    ("2001[:]db8[:][:]1", "2001:db8::1/128"),
    ("hxxps://shop[.]acme[.]example/a", "https://shop.acme.example/a"),
    ("hxxp://shop.acme.example/", "http://shop.acme.example/"),
    ("HXXPS://shop.acme.example", "https://shop.acme.example/"),
    ("h**ps://shop.acme.example/", "https://shop.acme.example/"),
    ("hxxp[:]//shop.acme.example/", "http://shop.acme.example/"),
    ("hxxps[://]shop.acme.example/", "https://shop.acme.example/"),
    ("hxxps[:]//203[.]0[.]113[.]7/x", "https://203.0.113.7/x"),
    ("shop[.]acme[.]example", "shop.acme.example"),
    ("shop(dot)acme(dot)example", "shop.acme.example"),
    ("203\\.0\\.113\\.7", "backslash: 203.0.113.7/32"),
    # masks
    ("203.0.113.0 255.255.255.192", "203.0.113.0/26"),
    ("203.0.113.0/255.255.255.192", "203.0.113.0/26"),
    ("203.0.113.0 / 255.255.255.192", "203.0.113.0/26"),
    ("203.0.113.0 mask 255.255.255.0", "203.0.113.0/24"),
    ("203.0.113.0 netmask 255.255.255.0", "203.0.113.0/24"),
    ("203.0.113.0 0.0.0.63", "203.0.113.0/26"),
    ("203.0.113.0/0.0.0.63", "203.0.113.0/26"),
    ("203.0.113.7 255.255.255.255", "203.0.113.7/32"),
    ("203.0.113.7 0.0.0.0", "not-a-mask: 203.0.113.7/32"),
    ("203.0.113.7/0.0.0.0", "not-a-mask: 203.0.113.7/32"),
    ("203.0.113.7 255.255.255.192", "host-bits-set: 203.0.113.7/32 or 203.0.113.0/26"),
    ("203.0.113.0 255.255.0.255", "not-a-mask"),
    ("203.0.113.0/255.0.255.0", "not-a-mask"),
    ("203.0.113.0/1.2.3.4", "not-a-mask"),
    ("203.0.113.0 / 26", "203.0.113.0/26"),
    ("203.0.113.0/33", "not-a-prefix"),
    ("203.0.113.0/", "203.0.113.0/32"),
    ("203.0.113.0/-1", "not-a-prefix"),
    ("203.0.113.0/24/24", "not-a-prefix"),
    ("203.0.113.0\\24", "backslash: 203.0.113.0/24"),
    ("2001:db8::/129", "not-a-prefix"),
    # ranges
    ("203.0.113.4-203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4 - 203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4–203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4—203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4−9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4-9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4..203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4...203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4…203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4 to 203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4~203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4 → 203.0.113.9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.0-203.0.113.255", "range: 203.0.113.0/24"),
    ("203.0.113.0-114.255", "range: 203.0.113.0/24 203.0.114.0/24"),
    ("203.0.113.9-203.0.113.4", "reversed-range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.7-203.0.113.7", "range: 203.0.113.7/32"),
    ("203.0.113.4-203.0.113.300", "not-a-prefix"),
    ("203.0.113.4-", "not-a-prefix"),
    ("1.0.0.1-9.255.255.254", "too-many-prefixes"),
    ("0.0.0.1-255.255.255.254", "too-many-prefixes"),
    ("127.0.0.1-127.0.0.9", "not-protectable"),
    ("2001:db8::1-2001:db8::9",
    "range: 2001:db8::1/128 2001:db8::2/127 2001:db8::4/126 2001:db8::8/127"),
    ("2001:db8::1 - 2001:db8::9",
    "range: 2001:db8::1/128 2001:db8::2/127 2001:db8::4/126 2001:db8::8/127"),
    ("2001:db8::1-9", "range: 2001:db8::1/128 2001:db8::2/127 2001:db8::4/126 2001:db8::8/127"),
    ("2001:db8::-2001:db8::ffff", "range: 2001:db8::/112"),
    ("203.0.113.4-2001:db8::1", "mixed-range"),
    ("203[.]0[.]113[.]4-203[.]0[.]113[.]9", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("[203.0.113.4-203.0.113.9]", "range: 203.0.113.4/30 203.0.113.8/31"),
    ("203.0.113.4-shop.example", "203.0.113.4-shop.example"),
    ("203.0.113-114.0", "short-address"),
    ("203.0.113.0/28-203.0.113.32/28", "not-a-prefix"),
    # wildcards
    ("203.0.113.*", "wildcard: 203.0.113.0/24"),
    ("203.0.113.x", "wildcard: 203.0.113.0/24"),
    ("203.0.113.X", "wildcard: 203.0.113.0/24"),
    ("203.0.*.*", "wildcard: 203.0.0.0/16"),
    ("203.0.x.x", "wildcard: 203.0.0.0/16"),
    ("203.*", "wildcard: 203.0.0.0/8"),
    ("127.0.0.*", "wildcard"),
    ("*.*.*.*", "not-a-prefix"),
    ("203.0.*.7", "not-a-prefix"),
    ("*.acme.example", "wildcard-name"),
    ("203.0.113.*/24", "not-a-prefix"),
    # ports
    ("203.0.113.7/24:443", (
        "has-a-port: 203.0.113.7/32 :443 or 203.0.113.0/24 :443 or 203.0.113.7/32 or "
        "203.0.113.0/24"
    )),
    ("203.0.113.7:443", "has-a-port: 203.0.113.7/32 :443 or 203.0.113.7/32"),
    ("203.0.113.7:80-90", "has-a-port: 203.0.113.7/32 :80-90 or 203.0.113.7/32"),
    ("203.0.113.7:http", "has-a-port: 203.0.113.7/32 :80 or 203.0.113.7/32"),
    ("203.0.113.7:443/tcp", "has-a-port: 203.0.113.7/32 :443 protocol 6 or 203.0.113.7/32"),
    ("203.0.113.7 port 443", "has-a-port: 203.0.113.7/32 :443 or 203.0.113.7/32"),
    ("203.0.113.7:99999", "has-a-port: 203.0.113.7/32"),
    ("203.0.113.7:x", "has-a-port: 203.0.113.7/32"),
    ("203.0.113.0/24:443", "has-a-port: 203.0.113.0/24 :443 or 203.0.113.0/24"),
    ("[2001:db8::1]:443", "has-a-port: 2001:db8::1/128 :443 or 2001:db8::1/128"),
    ("[2001:db8::1]", "2001:db8::1/128"),
    ("[2001:db8::]/48", "2001:db8::/48"),
    ("[2001:db8::1]:", "has-a-port: 2001:db8::1/128"),
    ("[2001:db8::1", "2001:db8::1/128"),
    ("2001:db8::1]", "2001:db8::1/128"),
    ("2001:db8::1.443", "has-a-port: 2001:db8::1/128 :443 or 2001:db8::1/128"),
    ("203.0.113.7.443", "has-a-port: 203.0.113.7/32 :443 or 203.0.113.7/32"),
    ("203.0.113.7#53", "has-a-port: 203.0.113.7/32 :53 or 203.0.113.7/32"),
    ("203.0.113.7(443)", "has-a-port: 203.0.113.7/32 :443 or 203.0.113.7/32"),
    ("shop.acme.example:443", "has-a-port: shop.acme.example :443 or shop.acme.example"),
    ("shop.acme.example:https", "has-a-port: shop.acme.example :443 or shop.acme.example"),
    ("localhost:80", "one-label"),
    ("tcp://203.0.113.7:80", "has-a-port: 203.0.113.7/32 :80 protocol 6 or 203.0.113.7/32"),
    ("udp://shop.acme.example:53",
    "has-a-port: shop.acme.example :53 protocol 17 or shop.acme.example"),
    ("tcp://203.0.113.7", "has-a-protocol: 203.0.113.7/32 protocol 6 or 203.0.113.7/32"),
    ("tcp://[2001:db8::1]:443", "has-a-port: 2001:db8::1/128 :443 protocol 6 or 2001:db8::1/128"),
    ("12:30", "number-form"),
    # numbers
    ("203.000.113.007", "zero-padded: 203.0.113.7/32"),
    ("203.0.113.08", "zero-padded: 203.0.113.8/32"),
    ("010.0.0.1", "zero-padded: 10.0.0.1/32"),
    ("0313.0.0161.07", "zero-padded"),
    ("203.0.113.007/32", "zero-padded: 203.0.113.7/32"),
    ("3405803783", "number-form"),
    ("0xCB007107", "number-form"),
    ("0xcb.0x00.0x71.0x07", "number-form"),
    ("443", "number-form"),
    ("203.0.113", "short-address"),
    ("203.0", "short-address"),
    ("203.0.113/24", "short-address: 203.0.113.0/24"),
    ("10/8", "short-address: 10.0.0.0/8"),
    ("203.0/16", "short-address: 203.0.0.0/16"),
    ("203.0.113.300", "not-a-prefix"),
    ("203.0.113.7.8.9", "not-a-prefix"),
    ("1.2.3.4.5", "has-a-port: 1.2.3.4/32 :5 or 1.2.3.4/32"),
    ("203,0,113,7", "commas: 203.0.113.7/32"),
    ("203.0.113.7/24", "host-bits-set: 203.0.113.7/32 or 203.0.113.0/24"),
    ("203.0.113.0/0", "host-bits-set: 203.0.113.0/32"),
    ("2001:db8:10", "short-address: 2001:db8:10::/48"),
    ("2001:db8:10:a0/64", "short-address: 2001:db8:10:a0::/64"),
    ("2001:db8::1::2", "not-a-prefix"),
    ("2001:db8:::", "not-a-prefix"),
    ("00:1a:2b:3c:4d:5e", "not-a-prefix"),
    ("::ffff:203.0.113.7", "not-protectable: 203.0.113.7/32"),
    ("::ffff:203.0.113.0/120", "not-protectable: 203.0.113.0/24"),
    ("fe80::1", "not-protectable"),
    ("fe80::1%eth0", "zone"),
    ("2001:db8::1%eth0", "zone: 2001:db8::1/128"),
    ("2001:db8::1%25eth0/64", "zone: 2001:db8::1/128 or 2001:db8::/64"),
    ("127.0.0.1", "not-protectable"),
    ("::1", "not-protectable"),
    ("0.0.0.0", "not-protectable"),
    ("255.255.255.255", "not-protectable"),
    ("224.0.0.5", "not-protectable"),
    ("::", "not-protectable"),
    ("AS64500", "as-number"),
    ("AS 64500", "several-targets"),
    # names
    ("1.fe-ed.be", "1.fe-ed.be"),
    ("203.0.113.Ⅹ", "not-a-name"),
    ("203..113.X", "empty-label"),
    ("shop", "one-label"),
    ("localhost", "one-label"),
    ("-a.acme.example", "not-a-name"),
    ("a-.acme.example", "not-a-name"),
    ("a..example", "empty-label: a.example"),
    ("shop.acme.example..", "empty-label: shop.acme.example"),
    (".acme.example", "empty-label: acme.example"),
    ("shop.acme.7", "last-label-is-a-number"),
    ("203.0.113.7a", "last-label-is-a-number"),
    ("xn--a.example", "not-idna"),
    ("xn--.example", "not-idna"),
    ("xn--fa-hia.example", "xn--fa-hia.example"),
    ("XN--FA-HIA.EXAMPLE", "xn--fa-hia.example"),
    ("faß.example", "xn--fa-hia.example"),
    ("βόλος.example", "xn--nxasmm1c.example"),
    ("Bücher.example", "xn--bcher-kva.example"),
    ("münchen.example", "xn--mnchen-3ya.example"),
    ("e\u0301.example", "xn--9ca.example"),
    ("a\u200db.example", "not-idna"),
    ("ab\u200c.example", "not-idna"),
    ("نامه\u200cای.example", "xn--mgba3gch31f060k.example"),
    ("\u0430pple.example", "xn--pple-43d.example"),
    ("💩.example", "not-idna"),
    ("日本。example", "xn--wgv71a.example"),
    ("bob@acme.example", "mail-address: acme.example"),
    ("mailto:bob@acme.example", "mail-address: acme.example"),
    ("a b.example", "several-targets"),
    ("a,b.example", "several-targets"),
    ("shop acme example", "several-targets"),
    ("a" * 64 + ".example", "not-a-name"),
    ("a." * 130 + "example", "too-long"),
    ("shop!.acme.example", "not-a-name"),
    ("shop.acme.example\\x", "backslash: https://shop.acme.example/x or shop.acme.example"),
    # uris
    ("https://shop.acme.example/" + "a" * 300, "too-long"),
    ("https://shop.acme.example/" + "é" * 100, "not-ascii"),
    ("https://SHOP.acme.example:443", "https://shop.acme.example/"),
    ("http://shop.acme.example:80/x", "http://shop.acme.example/x"),
    ("https://shop.acme.example:8443/x", "https://shop.acme.example:8443/x"),
    ("https://shop.acme.example./x", "https://shop.acme.example/x"),
    ("https://shop.acme.example../x", "empty-label: https://shop.acme.example/x"),
    ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
    ("https://faß.example/", "https://xn--fa-hia.example/"),
    ("https://u:p@shop.acme.example/", "https://shop.acme.example/"),
    ("https://u@shop.acme.example/", "https://shop.acme.example/"),
    ("https://shop.acme.example:x@evil.example/", "https://evil.example/"),
    ("https://shop.acme.example/x?next=http://bob@a.example/", "https://shop.acme.example/x?next=http://bob@a.example/"),
    ("https://me@shop.acme.example/x?y=a@b://c@d", "https://shop.acme.example/x?y=a@b://c@d"),
    ("https://shop.acme.example/q?name='x'", "https://shop.acme.example/q?name='x'"),
    ("'https://shop.acme.example/x'", "https://shop.acme.example/x"),
    ("“https://shop.acme.example/x”", "https://shop.acme.example/x"),
    ("https://shop.acme.example/x”", "https://shop.acme.example/x"),
    ("https://shop.acme.example/f(", "https://shop.acme.example/f("),
    ("https://evil.example\\@shop.acme.example/", "backslash"),
    ("https://shop.acme.example\\x", "backslash"),
    ("https://shop.acme.example/a b", "not-a-uri"),
    ("https://shop.acme.example/a\tb", "not-a-uri"),
    ("https://shop.acme.example/%zz", "not-a-uri"),
    ("https://shop.acme.example/a|b", "not-a-uri"),
    ("https://shop.acme.example/straße", "not-ascii: https://shop.acme.example/stra%C3%9Fe"),
    ("https://shop.acme.example/a–b", "not-ascii: https://shop.acme.example/a%E2%80%93b"),
    ("https://", "not-a-uri"),
    ("https:///x", "not-a-uri"),
    ("https://:443/", "not-a-uri"),
    ("https://shop.acme.example:", "not-a-uri"),
    ("https://shop.acme.example:99999/", "not-a-uri"),
    ("https://shop.acme.example:x/", "not-a-uri"),
    ("https://localhost/", "one-label"),
    ("https://203.0.113.7/", "https://203.0.113.7/"),
    ("https://203.0.113.7:443/", "https://203.0.113.7/"),
    ("https://203.0.113.300/", "not-a-uri"),
    ("https://203.0.113/", "not-a-uri"),
    ("https://3405803783/", "not-a-uri"),
    ("https://0xcb007107/", "last-label-is-a-number"),
    ("https://127.0.0.1/", "not-protectable"),
    ("https://[2001:db8::1]/", "https://[2001:db8::1]/"),
    ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]/x"),
    ("https://[fe80::1%25eth0]/", "zone"),
    ("https://[2001:db8::1%eth0]/", "zone"),
    ("http://[::1", "not-a-uri"),
    ("http://[::1]/", "not-protectable"),
    ("https://[203.0.113.7]/", "not-a-uri"),
    ("https://[v1.x]/", "not-a-uri"),
    ("https://xn--a.example/", "not-idna"),
    ("https://a@b@shop.acme.example/", "https://shop.acme.example/"),
    ("ftp://shop.acme.example/", "unknown-scheme"),
    ("javascript://shop.acme.example/", "unknown-scheme"),
    ("://x", "unknown-scheme"),
    ("//shop.acme.example/x", "not-a-uri: https://shop.acme.example/x"),
    ("shop.acme.example/login", "has-a-path: https://shop.acme.example/login or shop.acme.example"),
    ("203.0.113.7/login", "has-a-path: https://203.0.113.7/login or 203.0.113.7/32"),
    ("shop.acme.example:8443/login", (
        "has-a-path: https://shop.acme.example:8443/login or shop.acme.example :8443 or "
        "shop.acme.example"
    )),
    ("shop.acme.example?x=1", "has-a-path: https://shop.acme.example/?x=1 or shop.acme.example"),
    ("shop.acme.example#top", "has-a-path: https://shop.acme.example/#top or shop.acme.example"),
    ("coaps://dots.acme.example", "coaps://dots.acme.example/"),
    ("https:/shop.acme.example/", "not-a-uri: https://shop.acme.example/"),
    ("https:shop.acme.example", "not-a-uri: https://shop.acme.example/"),
    ("https://shop.acme.example/x https://shop.acme.example/y",
    "several-targets: https://shop.acme.example/x https://shop.acme.example/y"),
    ("https//shop.acme.example/", "not-a-uri: https://shop.acme.example/"),
    ("view-source:https://shop.acme.example/", "unknown-scheme"),
    # several
    ("203.0.113.7 203.0.113.8", "several-targets: 203.0.113.7/32 203.0.113.8/32"),
    ("203.0.113.7, 203.0.113.8", "several-targets: 203.0.113.7/32 203.0.113.8/32"),
    ("203.0.113.7,203.0.113.8", "several-targets: 203.0.113.7/32 203.0.113.8/32"),
    ("203.0.113.7\n203.0.113.8", "several-targets: 203.0.113.7/32 203.0.113.8/32"),
    ("203.0.113.7 or so", "several-targets"),
    ("203.0.113.7 shop.acme.example", "several-targets: 203.0.113.7/32 shop.acme.example"),
]  # fmt: skip
"""The text, and its target; or the code, and each suggestion (a port after a colon)."""


def outcome(text: str) -> str:
    try:
        return str(read(text))
    except TargetError as error:
        suggestions = " or ".join(map(as_line, error.suggestions))
        return f"{error.code}: {suggestions}" if suggestions else error.code


def is_target(expected: str) -> bool:
    return expected.partition(":")[0] not in list(Code)


def as_line(suggestion: Suggestion) -> str:
    ports = [
        f":{one.lower}" if one.lower == one.upper else f":{one.lower}-{one.upper}"
        for one in suggestion.ports
    ]
    protocols = [f"protocol {number}" for number in suggestion.protocols]
    return " ".join([*map(str, suggestion.targets), *ports, *protocols])


@pytest.mark.parametrize(("text", "expected"), PASTED)
def test_a_pasted_target_is_read_or_refused_with_a_suggestion(text: str, expected: str) -> None:
    assert outcome(text) == expected


@pytest.mark.parametrize("text", [text for text, expected in PASTED if not is_target(expected)])
def test_each_refusal_is_a_short_sentence_and_each_suggestion_can_be_read(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        read(text)

    sentence, fixes = words.sentence(caught.value), words.fixes(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 260
    assert all(fix.label.isprintable() for fix in fixes)
    for target in (one for fix in fixes for one in fix.suggestion.targets):
        assert read(str(target), target.kind) == target


@pytest.mark.parametrize("text", [text for text, expected in PASTED if is_target(expected)])
def test_each_target_is_its_own_normal_form(text: str) -> None:
    target = read(text)

    assert classify(text) == target.kind
    assert read(str(target), target.kind) == target


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("203.0.113.7, 203.0.113.8;203.0.113.9", ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
        ("203.0.113.7 | shop.example", ["203.0.113.7", "shop.example"]),
        ("203.0.113.7，203.0.113.8、203.0.113.9", ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
        ("203.0.113.7\n203.0.113.8\r\n\n203.0.113.9", ["203.0.113.7", "203.0.113.8",
        "203.0.113.9"]),
        ("203.0.113.7\u00a0203.0.113.8", ["203.0.113.7", "203.0.113.8"]),
        ("203.0.113.0 255.255.255.192", ["203.0.113.0 255.255.255.192"]),
        ("a.example 203.0.113.0 0.0.0.63 b.example", ["a.example", "203.0.113.0 0.0.0.63",
        "b.example"]),
        ("203.0.113.0 mask 255.255.255.0", ["203.0.113.0 mask 255.255.255.0"]),
        ("203.0.113.4 - 203.0.113.9, a.example", ["203.0.113.4 - 203.0.113.9", "a.example"]),
        ("203.0.113.4 -203.0.113.9", ["203.0.113.4 -203.0.113.9"]),
        ("203.0.113.4- 203.0.113.9", ["203.0.113.4- 203.0.113.9"]),
        ("203.0.113.4 to 203.0.113.9", ["203.0.113.4 to 203.0.113.9"]),
        ("2001:db8::1 – 2001:db8::9", ["2001:db8::1 – 2001:db8::9"]),
        ("203[.]0[.]113[.]4 - 203[.]0[.]113[.]9", ["203[.]0[.]113[.]4 - 203[.]0[.]113[.]9"]),
        ("203.0.113.0 / 26", ["203.0.113.0 / 26"]),
        ("“203.0.113.4 – 203.0.113.9”", ["“203.0.113.4 – 203.0.113.9”"]),
        ("(203.0.113.4 - 203.0.113.9)", ["(203.0.113.4 - 203.0.113.9)"]),
        ("<203.0.113.4 to 203.0.113.9>", ["<203.0.113.4 to 203.0.113.9>"]),
        ("203.0.113.7 port 443 203.0.113.8", ["203.0.113.7 port 443", "203.0.113.8"]),
        ("203,0,113,7", ["203,0,113,7"]),
        ("- 203.0.113.4\n- 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        # A browser pastes those two lines as one.
        ("- 203.0.113.4 - 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        ("• 203.0.113.4 • 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        ("1. 203.0.113.4 2. 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        ("203.0.113.4\n203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        (" , ;", []),
    ],
)  # fmt: skip
def test_a_pasted_list_is_split_between_targets(text: str, pieces: list[str]) -> None:
    found = split(text)

    assert [piece.text for piece in found] == pieces
    assert [text[piece.start : piece.end] for piece in found] == pieces


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("prefix", "shop.acme.example", "other-kind: shop.acme.example"),
        ("fqdn", "203.0.113.7", "other-kind: 203.0.113.7/32"),
        ("uri", "shop.acme.example", "other-kind: shop.acme.example"),
        ("fqdn", "https://shop.acme.example/", "other-kind: https://shop.acme.example/"),
        ("prefix", "shop", "not-a-prefix"),
        ("uri", "shop", "not-a-uri"),
        ("fqdn", "shop", "one-label"),
        ("prefix", "203.0.113.7:443", "has-a-port: 203.0.113.7/32 :443 or 203.0.113.7/32"),
    ],
)
def test_a_target_of_another_kind_is_refused_with_the_right_field(
    kind: str, text: str, expected: str
) -> None:
    with pytest.raises(TargetError) as caught:
        read(text, kind)

    suggestions = " or ".join(map(as_line, caught.value.suggestions))
    assert (f"{caught.value.code}: {suggestions}" if suggestions else caught.value.code) == expected


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("203.0.113.4-9", ["Use 203.0.113.4/30 and 203.0.113.8/31"]),
        ("203.0.113.1-254", ["Use 203.0.113.1, 203.0.113.2/31, 203.0.113.4/30 and 11 more"]),
        ("203.0.113.7:443", ["Use 203.0.113.7 and port 443", "Use 203.0.113.7"]),
        ("tcp://203.0.113.7:80", ["Use 203.0.113.7, port 80 and TCP", "Use 203.0.113.7"]),
        ("203.0.113.7:80-90", ["Use 203.0.113.7 and ports 80–90", "Use 203.0.113.7"]),
        ("bob@faß.example", ["Use faß.example (xn--fa-hia.example)"]),
        ("203.0.113.7/24", ["Only 203.0.113.7", "All 256 of 203.0.113.0/24"]),
    ],
)
def test_a_button_says_what_it_inserts(text: str, labels: list[str]) -> None:
    with pytest.raises(TargetError) as caught:
        read(text)

    assert [fix.label for fix in words.fixes(caught.value)] == labels

"""Uploads that are not what they say, imports from elsewhere, and download addresses that maskloom did not make."""

from __future__ import annotations

import gzip
import json
import stat
import time
import zipfile
from collections.abc import Iterator

from faults.hostile_attack import Attack
from faults.hostile_scene import SOURCE, UPLOAD_MIB, Target
from maskloom.platform.catalog import jobs
from maskloom.services.access.signing import SignedPaths
from support.asking import ask
from support.service import API, OPEN
from support.transfers import MULTIPART, multipart, zipped

_MIB = 1 << 20
_UPLOADS = f"{API}/datasets/{OPEN}/uploads"
_IMPORTS = f"{API}/datasets/{OPEN}/imports"
_NAMES = (
    *(
        "../up.png",
        "../../../../etc/cron.d/x.png",
        "/etc/x.png",
        "C:\\x.png",
        "..\\..\\x.png",
        "a/../../x.png",
    ),
    *("", ".", "..", "x\ny.png", "x\x1b[2J.png", "\u202egnp.x", "'; DROP TABLE slices; --.png", "n" * 600),
    *("{{1337*7331}}.png", "<script>alert(1)</script>.png", "$(id).png", "CON.png", "images/../../x.png"),
)


def upload_attacks(target: Target) -> Iterator[Attack]:
    """From a lead, who may load data. What is set aside by a job is a job, and nothing more."""
    for kind, body in _refused_bodies().items():
        yield _upload(target, kind, body)
    for kind, packed in _refused_zips().items():
        for field in ("images", "masks"):
            yield _upload(target, kind, multipart([(field, "x.zip", packed)]))
    for name in _NAMES:
        yield _upload(
            target, "a name that leads elsewhere", multipart([("images", name, b"no picture")]), may=True
        )
        packed = zipped({name or "x": b"no picture"})
        yield _upload(
            target,
            "a name that leads elsewhere, in a zip file",
            multipart([("images", "x.zip", packed)]),
            may=True,
        )
    for kind, packed in _aside_zips().items():
        yield _upload(target, kind, multipart([("images", "x.zip", packed)]), may=True)
    for kind, content in _pictures().items():
        yield _upload(target, kind, multipart([("images", "x.png", content)]), may=True)
    whole = multipart([("images", "x.png", b"x" * 2000)])
    headers = {
        "a length that is too long": {"Content-Length": str(1 << 40)},
        "packed as a whole": {"Content-Encoding": "gzip"},
        "multipart without a boundary": {"Content-Type": "multipart/form-data"},
        "multipart with a boundary without end": {
            "Content-Type": f"multipart/form-data; boundary={'b' * 5000}"
        },
        "another type": {"Content-Type": "application/json"},
    }
    for kind, other in headers.items():
        body = gzip.compress(whole) if kind.startswith("packed") else whole
        yield _upload(target, kind, body, **other)


def import_attacks(target: Target) -> Iterator[Attack]:
    """Addresses for sources, and folders that lead out of one; `target.canary` listens at some of them."""
    port = target.canary.port
    hosts = (
        f"127.0.0.1:{port}",
        f"localhost:{port}",
        f"[::1]:{port}",
        f"2130706433:{port}",
        f"0x7f.1:{port}",
    )
    metadata = ("169.254.169.254/latest/meta-data/iam", "metadata.google.internal/v1", "100.100.100.200/")
    places = (
        *hosts,
        *metadata,
        f"user@127.0.0.1:{port}/",
        f"127.0.0.1:{port}/redirect?to=file:///etc/passwd",
    )
    schemes = ("http", "https", "s3", "ftp", "gopher", "dict")
    sources = [f"{scheme}://{place}" for scheme in schemes for place in places]
    sources += [
        "file:///etc",
        "file://localhost/etc/passwd",
        "/etc",
        "..",
        "",
        "jar:file:///x!/",
        "//evil.example",
    ]
    sources += [
        f"{SOURCE}?endpoint=127.0.0.1:{port}",
        f"{SOURCE}#x",
        f"{SOURCE}/..",
        f" {SOURCE}",
        SOURCE.upper(),
    ]
    folders = ["..", "../other", "a/../../b", "/etc", "a//b", "./a", "a\\b", "a\r\nHost: x", "a\u2028b"]
    folders += [f"http://127.0.0.1:{port}/..", "a/./b", "../" * 100, "a/..", ".", "/", "\\\\127.0.0.1\\share"]
    for source in sources:
        yield _import(target, "another source", {"source": source})
    for folder in folders:
        yield _import(target, "a folder that leads elsewhere", {"source": SOURCE, "folder": folder})
        wanted = {"source": SOURCE, "masks": folder, "split": "labelled"}
        yield _import(target, "masks that lie elsewhere", wanted)


def address_attacks(target: Target) -> Iterator[Attack]:
    """Signed addresses that were changed, are for another object, or have expired, from nobody."""
    service, (one, other) = target.service, target.exports
    led = service.as_("lea").ask("GET", f"/exports/{one}/download").headers["location"]
    path, _, query = led.partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    secret = target.platform.database.transaction(lambda c: jobs.signing_secret(c, "exports"))
    old = SignedPaths(secret=secret).signed(path, time.time() - 301)
    mine = SignedPaths(secret=bytes(32)).signed(path, time.time())
    assert ask(service.url + led).status == 200, "unchanged, it is good"
    changed = {
        "an expired signature": [old],
        "a signature of another secret": [mine],
        "another object": [
            f"{API}/exports/{other}/file?{query}",
            f"{API}/exports/{one}%2F..%2F{other}/file?{query}",
        ],
        "a later end": [
            f"{path}?expires={end}&signature={signature}"
            for end in (
                int(expires) + 1,
                "9" * 15,
                f"0{expires}",
                f"{expires}.0",
                f"+{expires}",
                "",
                "٣" * 10,
            )
            if str(end).isascii()
        ],
        "another signature": [
            f"{path}?expires={expires}&signature={text}"
            for text in (
                "",
                "0" * 64,
                signature[:-1],
                signature.upper(),
                signature[::-1],
                signature + "0",
                "%C3%A9",
            )
        ],
        "no signature": [path, f"{path}?expires={expires}", f"{path}?signature={signature}"],
        "an end given twice": [
            f"{old}&expires={int(expires) + 9}",
            f"{path}?expires={expires}&{old.partition('?')[2]}",
        ],
    }
    for kind, addresses in changed.items():
        for address in addresses:
            yield Attack(kind=kind, operation="GET /api/v1/exports/{job}/file", target=address)


def zip_that_leads_nowhere() -> bytes:
    """A zip file whose list of files points to before its beginning."""
    packed = bytearray(zipped({"a.png": bytes(_MIB)}))
    packed[packed.rindex(b"PK\x05\x06") + 16] ^= 0x55
    return bytes(packed)


def _upload(target: Target, kind: str, body: bytes, *, may: bool = False, **headers: str) -> Attack:
    signed = {"Authorization": f"Bearer {target.tokens['lea']}", "Content-Type": MULTIPART}
    return Attack(
        kind=kind,
        operation="POST /api/v1/datasets/{dataset}/uploads",
        target=f"{_UPLOADS}?split=unlabelled",
        headers=signed | {name.replace("_", "-"): value for name, value in headers.items()},
        body=body,
        may=may,
        sees=True,
    )


def _import(target: Target, kind: str, wanted: dict[str, str]) -> Attack:
    return Attack(
        kind=kind,
        operation="POST /api/v1/datasets/{dataset}/imports",
        target=_IMPORTS,
        headers={"Authorization": f"Bearer {target.tokens['lea']}", "Content-Type": "application/json"},
        body=json.dumps({"split": "unlabelled"} | wanted).encode(),
        sees=True,
    )


def _refused_bodies() -> dict[str, bytes]:
    whole = multipart([("images", "x.png", b"x" * 3000)])
    return {
        **{f"cut off after {end} bytes": whole[:end] for end in (0, 1, 30, 90, 200, len(whole) - 3)},
        "no multipart": b"nonsense" * 100,
        "another field": multipart([("../images", "x.png", b"x")]),
        "a part that is too large": multipart([("images", "x.png", bytes((UPLOAD_MIB + 1) * _MIB))]),
        "a header without end": whole[:30] + b"X: " + b"x" * 200_000 + whole[30:],
        "masks without slices": multipart([("masks", "x.png", b"x")]),
    }


def _refused_zips() -> dict[str, bytes]:
    """Zip files that are refused whole."""
    honest = zipped({"a.png": b"x" * 1000})
    return {
        "a zip bomb": zipped({"a.png": bytes(100 * _MIB)}),
        "a zip bomb of many files": zipped({f"{n}.png": bytes(_MIB) for n in range(70)}),
        "a zip file with more than may come": zipped({"a.png": bytes((UPLOAD_MIB + 1) * _MIB)}),
        "a zip file with too many files": zipped(
            {f"{n}.png": b"" for n in range(20_001)}, zipfile.ZIP_STORED
        ),
        "a zip file cut off": honest[:-30],
        "no zip file": b"PK\x03\x04" + bytes(200),
    }


def _aside_zips() -> dict[str, bytes]:
    """Zip files of which everything is set aside."""
    link, device = zipfile.ZipInfo("link.png"), zipfile.ZipInfo("device.png")
    link.external_attr, device.external_attr = (stat.S_IFLNK | 0o777) << 16, (stat.S_IFCHR | 0o666) << 16
    lying = bytearray(zipped({"a.png": bytes(3 * _MIB)}))
    place = lying.rindex(b"PK\x01\x02") + 24
    lying[place : place + 4] = (100).to_bytes(4, "little")
    encrypted = bytearray(zipped({"a.png": b"x" * 100}))
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        encrypted[encrypted.index(mark) + offset] |= 1
    nested = zipped({"a.png": b"x" * 100})
    for _ in range(20):
        nested = zipped({"nested.zip": nested})
    return {
        "a zip file that leads nowhere": zip_that_leads_nowhere(),
        "a link": zipped({link: b"/etc/passwd"}),
        "a device": zipped({device: b"x"}),
        "zip files in zip files": nested,
        "a zip file that lies of a size": bytes(lying),
        "an encrypted zip file": bytes(encrypted),
        "a zip file packed in another way": zipped({"a.png": bytes(3 * _MIB)}, zipfile.ZIP_LZMA),
    }


def _pictures() -> dict[str, bytes]:
    """Files that say that they are pictures."""
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    return {
        "a picture of a huge size": head + b"\x7f\xff\xff\xff" * 2 + b"\x08\x00\x00\x00\x00" + bytes(30),
        "a picture cut off": head + b"\x00\x00\x00\x40" * 2,
        "a picture that is a page": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "a picture that is a program": b"\x7fELF" + bytes(200),
        "DICOM of nothing": bytes(128) + b"DICM" + b"\xff" * 200,
        "NIfTI of nothing": gzip.compress(bytes(40 * _MIB)),
    }

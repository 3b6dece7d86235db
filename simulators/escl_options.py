"""Read the options of a simulated eSCL scanner."""

from __future__ import annotations

from collections.abc import Mapping

from simulators.escl_state import Manners
from simulators.escl_xml import Looks
from simulators.words import ScenarioError, Words, to_number, unknown

LOCATIONS = ("absolute", "path", "relative", "wrong-host", "broken-ipv6")
MODES = {"color": "RGB24", "gray": "Grayscale8", "mono": "BlackAndWhite1"}
FORMATS = {"jpeg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}
OPTIONS: Mapping[str, str] = {
    "port": "TCP port on 127.0.0.1; 0 = a free one",
    "root": "the first part of every path, eSCL",
    "maker": "what it says about itself",
    "model": "whose manners it plays; it still says that it is simulated",
    "serial": "serial number",
    "sheets": "how many sheets lie in the feeder at first",
    "pace": "seconds a page takes",
    "duplex": "0: scans one side only",
    "platen": "0: has no glass",
    "feeder": "0: has no feeder",
    "sensor": "0: does not say that it notices paper",
    "formats": "of jpeg+png+pdf",
    "colors": "of color+gray+mono",
    "dpi": "resolutions, 75+150+300; with range=1 from the first to the last",
    "range": "1: resolutions are told as a range",
    "prefixes": "XML prefixes for eSCL+PWG names, scan+pwg",
    "chunked": "1: answers in chunks, without a length",
    "keep": "0: closes the connection behind every answer",
    "certificate": "a PEM file with certificate and key: https",
    "location": f"how a new job's place is told: {', '.join(LOCATIONS)}",
    "host": "the only Host header that jobs are taken with",
    "port-in-host": "1: wants the port in the Host header",
    "later": "the answer while a page is not ready: 503, 404 or 410",
    "over": "the answer behind the last page: 404 or 410",
    "trouble": "the answer in a jam: 503, 409, 404 or 500",
    "empty-answer": "the answer to a job for an empty feeder: 409, 503 or 404",
    "hurry": "seconds; a page asked for sooner after the last one breaks the job",
    "empty-state": "AdfState of an empty feeder",
    "loaded-state": "AdfState of a loaded feeder",
    "takes-empty": "1: takes a job with an empty feeder and never ends it",
    "testing-breaks": "1: takes a job while it warms up and aborts it",
    "drops-reply": "1: cuts the connection behind the headers of a new job's answer",
    "forgets": "1: a new job ends a mispick, a double feed, …",
    "resends": "1: sends a page again whose transfer broke",
}


def _several(words: Words, key: str, default: str, known: Mapping[str, str]) -> tuple[str, ...]:
    names = words.text(key, default).split("+")
    for name in names:
        if name not in known:
            raise unknown(f"value of {key}", name, known)
    return tuple(known[name] for name in names)


def read_looks(words: Words, seed: int) -> Looks:
    """Read what it says about itself."""
    plain = Looks()
    resolutions = tuple(
        to_number(one, "dpi", 50, 4800) for one in words.text("dpi", "75+100+150+200+300+600").split("+")
    )
    model = words.text("model", "")
    prefixes = words.text("prefixes", "scan+pwg").split("+")
    if len(prefixes) != 2:  # noqa: PLR2004
        raise ScenarioError("prefixes are two words with a + between them")
    return Looks(
        maker=words.text("maker", plain.maker),
        model=f"{model} ({plain.model})" if model else plain.model,
        serial=words.text("serial", f"SIM-ESCL-{seed:04}"),
        uuid=f"4509a320-00a0-008f-00b6-{seed:012x}",
        platen=plain.platen if words.flag("platen", default=True) else None,
        feeder=plain.feeder if words.flag("feeder", default=True) else None,
        duplex=words.flag("duplex", default=True),
        resolutions=resolutions,
        ranged=words.flag("range"),
        colors=_several(words, "colors", "color+gray", MODES),
        formats=_several(words, "formats", "jpeg", FORMATS),
        prefixes=(prefixes[0], prefixes[1]),
        options=("DetectPaperLoaded",) if words.flag("sensor", default=True) else (),
    )


def read_manners(words: Words) -> Manners:
    """Read how it behaves."""
    plain = Manners()
    return Manners(
        host=words.text("host", "") or None,
        port_in_host=words.flag("port-in-host"),
        later=int(words.choice("later", ("503", "404", "410"), "503")),
        over=int(words.choice("over", ("404", "410"), "404")),
        trouble_answer=int(words.choice("trouble", ("503", "409", "404", "500"), "503")),
        empty_answer=int(words.choice("empty-answer", ("409", "503", "404"), "409")),
        hurry_s=words.seconds("hurry", 0),
        empty_state=words.text("empty-state", plain.empty_state),
        loaded_state=words.text("loaded-state", plain.loaded_state),
        takes_empty=words.flag("takes-empty"),
        testing_breaks=words.flag("testing-breaks"),
        drops_reply=words.flag("drops-reply"),
        resends=words.flag("resends"),
        forgets=words.flag("forgets"),
        location=words.choice("location", LOCATIONS, "absolute"),
    )

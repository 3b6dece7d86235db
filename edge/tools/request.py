"""``hall-edge request``: send a command to a device and print its replies."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.events import COMMANDS
from edge.messages.telling import tell
from edge.secret import reveal
from edge.subscriber import Address, BadArgument, Completion, Reply, Requester, RequestError, Signer
from edge.subscriber.packing import personal_params
from edge.tools.listen import add_broker_arguments, login

FAILED, UNREACHABLE = 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge request``."""
    add_broker_arguments(parser)
    parser.add_argument("--window", required=True, help="the window's name")
    parser.add_argument("--name", help="our name as a client (default: one of its own each time)")
    parser.add_argument("--sign-key", type=Path, metavar="FILE", help="our private key (JWK): sign the request")
    parser.add_argument("--as", dest="requester", metavar="NAME", help="whom the windows know by that key")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="deadline (%(default)s)")
    parser.add_argument("--case", help="the case it belongs to")
    parser.add_argument("--json", action="store_true", help="one JSON object a reply")
    parser.add_argument("device", metavar="DEVICE", help="the device's name, or 'window' for the daemon itself")
    parser.add_argument("command", metavar="COMMAND")
    parser.add_argument(
        "params", metavar="KEY=VALUE", nargs="*",
        help="a parameter; KEY=- asks for the value, which a personal one must (others see command lines)",
    )  # fmt: skip


def run(chosen: argparse.Namespace) -> int:
    """Print each reply; 0 for ``ok``, 1 for every other end, 3 when the window cannot be reached."""
    params = read_params(chosen.command, chosen.params)
    try:
        completion = asyncio.run(_request(chosen, params))
    except RequestError as error:
        tell(error)
        return UNREACHABLE
    _say(chosen, {"reply": "completion", **msgspec.to_builtins(completion)})
    return 0 if completion.ok else FAILED


async def _request(chosen: argparse.Namespace, params: Mapping[str, Any]) -> Completion:
    name = chosen.name or f"request-{uuid.uuid4().hex[:8]}"
    address, signer = Address.parse(chosen.url, login(chosen)), _signer(chosen)
    async with Requester(address, name=name, hall=chosen.hall, signer=signer) as requester:
        return await requester.request(
            chosen.window,
            chosen.device,
            chosen.command,
            params,
            timeout_s=chosen.timeout,
            case=chosen.case,
            on_progress=lambda reply: _say(chosen, _steps(reply)),
        )


def _signer(chosen: argparse.Namespace) -> Signer | None:
    """Return who signs, if anybody does; raises :class:`BadArgument`."""
    if (chosen.sign_key is None) != (chosen.requester is None):
        raise BadArgument("only one of --sign-key and --as is given", action="give both")
    return Signer.load(chosen.requester, chosen.sign_key) if chosen.sign_key else None


def read_params(command: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parameters in *pairs*, typed as the command wants them; raises :class:`BadArgument`."""
    texts: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadArgument(f"{key!r} has no value", action="write it as key=value")
        if key in personal_params(command) and value != "-":
            raise BadArgument(f"{key} is personal, and everybody sees command lines", action=f"write {key}=-")
        texts[key] = _asked_for(key) if value == "-" else value
    return _typed(command, texts)


def _asked_for(key: str) -> str:
    return getpass.getpass(f"{key}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _typed(command: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """A known command's own types decide; an unknown one's values are JSON where they look like it."""
    known = [params for params in COMMANDS if params.command == command]
    for params in known:
        try:
            found: dict[str, Any] = msgspec.to_builtins(msgspec.convert(texts, params, strict=False), enc_hook=reveal)
        except msgspec.ValidationError:
            continue
        return found
    if known:
        names = "; ".join(f"{params.kind}: {', '.join(params.__struct_fields__)}" for params in known)
        raise BadArgument(f"the parameters do not fit {command} ({names})")
    return {key: _guessed(text) for key, text in texts.items()}


def _guessed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _steps(reply: Reply) -> dict[str, Any]:
    return {key: value for key, value in msgspec.to_builtins(reply).items() if value not in (None, ()) and value != []}


def _say(chosen: argparse.Namespace, reply: Mapping[str, Any]) -> None:
    """Print one reply."""
    if chosen.json:
        text = json.dumps(reply, ensure_ascii=False)
    else:
        rest = {key: value for key, value in reply.items() if key not in ("reply", "request_id") and value}
        text = f"{reply['reply']:11} " + "  ".join(f"{key}={_short(value)}" for key, value in rest.items())
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

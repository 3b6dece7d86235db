"""Addresses of devices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.links.address import Address, parse_address, split_host


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("serial:///dev/ttyUSB0", Address("serial", "/dev/ttyUSB0", {})),
        (
            "serial:///dev/hall-edge//pad?baud=9600&parity=E&data_bits=7&stop_bits=2",
            Address(
                "serial", "/dev/hall-edge/pad", {"baud": "9600", "parity": "E", "data_bits": "7", "stop_bits": "2"}
            ),
        ),
        ("serial:///dev/serial/by-path/pci-0:1.4:1.0", Address("serial", "/dev/serial/by-path/pci-0:1.4:1.0", {})),
        ("serial:1a86:7523", Address("serial", "1a86:7523", {})),
        (
            "serial:1a86:7523?port=1-1.4&serial=A%260&baud=9600",
            Address("serial", "1a86:7523", {"port": "1-1.4", "serial": "A&0", "baud": "9600"}),
        ),
        ("tcp://192.0.2.7:4001", Address("tcp", "192.0.2.7:4001", {})),
        ("tcp://[fd00::7]:4001", Address("tcp", "[fd00::7]:4001", {})),
        ("tcp://pad-3.hall.example:1", Address("tcp", "pad-3.hall.example:1", {})),
        (
            "replay:///srv/a visit.rec?split=7&chunk=1",
            Address("replay", "/srv/a visit.rec", {"split": "7", "chunk": "1"}),
        ),
    ],
)
def test_good_ones(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address("serial://dev/ttyS0?baud=1&party=N&baud=9600")
    assert [problem.code for problem in caught.value.problems] == ["CFG-130", "CFG-133", "CFG-132", "CFG-132"]
    assert [problem.nearest for problem in caught.value.problems][2] == "parity"


def test_hosts() -> None:
    assert split_host("[::1]:5") == ("::1", 5)
    assert split_host("[::1]", 5) == ("::1", 5)
    assert split_host("a.b", 5) == ("a.b", 5)
    with pytest.raises(ValueError, match="port is missing"):
        split_host("a.b")


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"(serial|tcp|replay)://[^\n]*"),
        st.from_regex(r"(serial://)?/?dev/(.|\n)*"),
        st.from_regex(r"serial:///dev/x\?[a-z=&0-9]*"),
    )
)
def test_whatever_is_written_it_is_read_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except ConfigError as refused:
        error = refused
    else:
        assert text.startswith(f"{address.scheme}:")
        assert address.target.isprintable()
        return
    assert all(problem.cause and problem.action for problem in error.problems)
    assert str(error).replace("\n", "").isprintable()

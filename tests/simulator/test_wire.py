"""Bytes of the protocol, against layouts written down by hand."""

import struct

import msgpack
import pytest

from simulator.net import wire
from simulator.types import Pose


def request(*message: object) -> bytes:
    return msgpack.packb(list(message))


def test_requests_are_cut_from_any_pieces():
    data = request(0, 7, "tick_cue", [[False]]) + request(0, 8, "set_x", [[True], 5])
    reader, found = wire.RequestReader(), []
    for i in range(len(data)):
        found += list(reader.feed(data[i : i + 1]))
    assert found == [
        wire.Request(7, "tick_cue", (), False),
        wire.Request(8, "set_x", (5,), True),
    ]


@pytest.mark.parametrize(
    "data",
    [request(1, 2, None, 3), request(0, "id", "name", []), b"GET / HTTP/1.1\r\n", b"\xc1"],
    ids=["a response", "no number", "http", "not msgpack"],
)
def test_what_is_no_request_is_refused(data):
    with pytest.raises(wire.WireError):
        list(wire.RequestReader().feed(data))


def test_a_message_without_end_is_refused_at_the_limit(monkeypatch):
    monkeypatch.setattr(wire, "MAX_MESSAGE_BYTES", 1000)
    reader = wire.RequestReader()
    with pytest.raises(wire.WireError):
        list(reader.feed(b"\xdb\x7f\xff\xff\xff" + b"x" * 2000))


def test_results_are_wrapped_as_their_methods_declare():
    assert wire.wrap(wire.Form.VALUE, 5) == [[1, 5]]
    assert wire.wrap(wire.Form.VOID, None) == [[False]]
    assert wire.wrap(wire.Form.BARE, [1]) == [1]
    assert wire.wrap_error(wire.Form.VALUE, "no") == [[0, ["no"]]]
    assert wire.wrap_error(wire.Form.VOID, "no") == [[True, ["no"]]]


def test_a_token_names_stream_port_and_tcp():
    assert wire.token(5, 2001) == struct.pack("<IHBB", 5, 2001, 1, 0) + bytes(16)


def test_a_record_has_119_bytes_whatever_the_actor_is():
    three, pose = (1.0, 2.0, 3.0), Pose(1, 2, 3, 4, 5, 6)
    control = (0.5, -1.0, 0.0, False, True, False, -1)
    unions = [
        b"",
        wire.vehicle_union(control, 30.0, (0, 77), 0),
        wire.walker_union(three, 1.4, jump=True),
        wire.sign_union("1234"),
    ]
    records = [wire.actor_record(9, pose, three, three, three, union) for union in unions]
    lights = (10.0, 3.0, 2.0, 1.0, 1, True, 2)
    records.append(wire.light_record(9, pose, (*three, *three, *three), "948", lights))
    for record in records:
        assert len(record) == wire.RECORD_BYTES == 119
        assert record[:5] == struct.pack("<IB", 9, 1)
    assert records[-1][65:] == struct.pack("<32s4fI?B", b"948", *lights)
    assert unions[1][17:] == struct.pack("<if", -1, 30.0)[2:] + struct.pack("<BBIB", 0, 1, 77, 0)


def test_the_sensor_header_has_48_bytes_and_pitch_before_yaw():
    header = wire.sensor_header(wire.SensorType.RGB, 12, 1.5, Pose(1, 2, 3, 4, 5, 6))
    assert struct.unpack("<QQd6f", header) == (13, 12, 1.5, 1, 2, 3, 4, 5, 6)

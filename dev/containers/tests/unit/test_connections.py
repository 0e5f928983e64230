import os
import socket

from attendance_containers.connections import Host, listening_ports, ports_in

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 1 1 0
   1: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 2 1 0
   2: 0B00007F:A2C9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0
   3: 0403E70A:1F42 0203E70A:C350 01 00000000:00000000 00:00000000 00000000 10001        0 4 1 0
   4: 0403E70A:1F43 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 5 1 0
"""
TABLE_OF_VERSION_6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:2384 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A
   2: 0000000000000000FFFF00000100007F:2385 00000000000000000000000000000000:0000 0A
"""


def test_ports_of_others_are_those_that_listen_beyond_the_host_itself() -> None:
    assert ports_in(TABLE) == {8001, 8003}
    assert ports_in(TABLE_OF_VERSION_6) == {9092}


def test_who_listens_is_heard_and_who_does_so_on_loopback_alone_only_when_asked_for() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as here:
        open_port, own_port = (each.getsockname()[1] for each in (everywhere, here))
        ours = Host("ours", "ours", ("127.0.0.1",), os.getpid())
        reached, heard = listening_ports(ours), listening_ports(ours, also_on_loopback=True)
    assert {open_port, own_port} & reached == {open_port}
    assert {open_port, own_port} <= heard

"""A run's progress: a bar on a terminal, whole lines in a file."""

import io

from harness.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def say(stream):
    with Progress(5, stream) as progress:
        progress.total = 4
        progress.skip(2)
        progress.write("Town02: new routes")
        progress.finish("03 rgb: success")
        progress.finish("04 rgb: collision")
    return stream.getvalue()


def test_a_file_gets_a_line_for_each_episode():
    assert say(io.StringIO()).splitlines() == [
        "2 of 4 episodes were driven before",
        "Town02: new routes",
        "episode 3 of 4: 03 rgb: success",
        "episode 4 of 4: 04 rgb: collision",
    ]


def test_a_terminal_gets_a_bar():
    shown = say(Terminal())
    assert "\r" in shown
    assert "4/4" in shown
    assert "04 rgb: collision" in shown
    assert "Town02: new routes\n" in shown

"""What speed.py, messages.py and peers.py have in common: their options, and a broker and a folder for as long as they run."""
import argparse
import contextlib
import shutil
import signal
import sys
import tempfile

from lib.rabbit import Node


def parser_of(doc, plots=True):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers: that it runs, not how fast")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", metavar="FILE", help="write everything there: each round, medians, settings, machine")
    if plots:
        parser.add_argument("--plots", metavar="FOLDER", help="draw SVG plots into it")
    return parser


def sizes_of(options, kind):
    """What is measured: of `kind`, a Sizes."""
    sizes = kind.quick() if options.quick else kind()
    sizes.rounds = options.rounds or sizes.rounds
    return sizes


def rising(parser, flag, text):
    """The numbers of a flag that must rise."""
    try:
        numbers = tuple(int(one) for one in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or sorted(set(numbers)) != list(numbers) or numbers[0] < 1:
        parser.error(f"{flag} takes rising numbers")
    return numbers


@contextlib.contextmanager
def own_broker(name):
    """(node, folder), both gone at the end, also after SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder, node = tempfile.mkdtemp(prefix=f"duly-{name}-"), Node.start_new()
    try:
        yield node, folder
    finally:
        node.close()
        shutil.rmtree(folder, ignore_errors=True)

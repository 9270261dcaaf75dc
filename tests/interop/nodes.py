"""Nodes for the tests: processes that are told what to do by lines (node.c, bittorrent_dht_node.mjs)."""
import json
import subprocess
import sys
import threading
import time


class Node:
    def __init__(self, command, address, bootstrap):
        host, port = address
        self.address = address
        self.process = subprocess.Popen(
            command + ['%s:%d' % (host, port)] + ['%s:%d' % known for known in bootstrap],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answers = {}
        self.changed = threading.Condition()
        self.serial = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            tag, answer = line.split(' ', 1)
            with self.changed:
                self.answers[tag] = json.loads(answer)
                self.changed.notify_all()

    def start(self, command, *arguments):
        """Begins a command; its tag."""
        self.serial += 1
        tag = 't%d' % self.serial
        words = [argument.hex() or '-' if isinstance(argument, bytes) else str(argument) for argument in arguments]
        self.process.stdin.write(' '.join([tag, command] + words) + '\n')
        return tag

    def end(self, tag, seconds=20):
        with self.changed:
            if not self.changed.wait_for(lambda: tag in self.answers, seconds):
                fail('the node at %s:%d did not end its command in %d s' % (*self.address, seconds))
            return self.answers.pop(tag)

    def do(self, command, *arguments):
        return self.end(self.start(command, *arguments))

    def stop(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = 'killed'
        check('the node at %s:%d ends when it is told to' % self.address, status == 0)


def fail(what):
    print('FAILED: ' + what, file=sys.stderr, flush=True)
    sys.exit(1)


def check(what, holds, got=None):
    if not holds:
        fail('%s (%r)' % (what, got) if got is not None else what)
    print('%s  ok: %s' % (time.strftime('%H:%M:%S'), what), flush=True)


def wait_until(what, seconds, condition):
    """Until condition() is true; what it returned."""
    begin = time.monotonic()
    while True:
        result = condition()
        if result:
            print('%s  ok: %s (%.1f s)' % (time.strftime('%H:%M:%S'), what, time.monotonic() - begin), flush=True)
            return result
        if time.monotonic() - begin > seconds:
            fail('%s, within %d s' % (what, seconds))
        time.sleep(0.25)

"""Sixteen sessions of libtorrent and four daemons, as their user sees it: daemon_test.py FIRST-ADDRESS BINARY SOCKET..."""
import hashlib
import json
import os
import subprocess
import sys

from libtorrent_test import SESSIONS, Session, knows_eight
from nodes import Node, check, fail, wait_until


class Daemon:
    def __init__(self, binary, control):
        self.binary, self.control = binary, control

    def run(self, *words):
        """The exit status, and what `quicether dht` printed as JSON."""
        done = subprocess.run([self.binary, 'dht', *words, '--json', '--control', self.control],
                              capture_output=True, text=True, timeout=30, check=False)
        try:
            return done.returncode, json.loads(done.stdout or '{}')
        except ValueError:
            return fail('quicether dht %s printed %r' % (' '.join(words), done.stdout))

    def dht(self):
        return self.run('status')[1].get('dhts', [{}])[0]


def main():
    first, binary, controls = sys.argv[1], sys.argv[2], sys.argv[3:]
    host, port = first.split(':')
    daemons = [Daemon(binary, control) for control in controls]
    sessions = [Session('10.77.%d.10' % (10 + number)) for number in range(SESSIONS)]
    for session in sessions:
        session.meet((host, int(port)))
    wait_until('all sessions know eight nodes', 60, lambda: all([knows_eight(session, sessions) for session in sessions]))
    wait_until('all daemons know eight good nodes', 60,
               lambda: all([daemon.dht().get('good_nodes', 0) >= 8 for daemon in daemons]))

    status, put = daemons[0].run('put', 'hello world', '--salt', 'greeting', '--seq', '7')
    check('a daemon puts a mutable item', status == 0 and put['stored'] >= 8, put)
    status, got = daemons[1].run('get', put['target'], '--salt', 'greeting')
    check('another daemon gets it', status == 0 and got['text'] == 'hello world' and got['seq'] == 7, got)
    found = sessions[5].get_mutable(bytes.fromhex(got['key']), b'greeting')
    check('libtorrent gets it', found == (7, b'hello world'), found)
    status, put = daemons[0].run('put', 'hello again', '--salt', 'greeting', '--seq', '8', '--cas', '6')
    check('an update whose cas is wrong is refused with 301', '301' in json.dumps(put), put)
    status, put = daemons[0].run('put', 'hello again', '--salt', 'greeting', '--seq', '8', '--cas', '7')
    check('one with the right cas is taken', status == 0 and put['stored'] >= 8, put)
    found = sessions[11].get_mutable(bytes.fromhex(got['key']), b'greeting')
    check('libtorrent gets the update', found == (8, b'hello again'), found)

    status, put = daemons[2].run('put', 'for ever')
    check('a daemon puts an immutable item', status == 0 and put['stored'] >= 8, put)
    check('libtorrent gets it', sessions[3].get_immutable(bytes.fromhex(put['target'])) == b'for ever')
    sessions[8].session.dht_put_immutable_item(b'from libtorrent')
    wait_until('libtorrent puts an immutable item', 20, sessions[8].was_put)
    status, got = daemons[3].run('get', hashlib.sha1(b'15:from libtorrent').hexdigest())
    check('a daemon gets it', status == 0 and got['text'] == 'from libtorrent', got)

    node = Node([os.environ['QE_NODE']], ('10.77.90.1', 9000), [(host, int(port))])
    keys = node.do('sign', b'm' * 32, b'', 1, b'0:')
    key = bytes.fromhex(keys['key'])
    sessions[1].put_mutable(bytes.fromhex(keys['expanded']), key, b'mutable', b'')
    status, got = daemons[1].run('get', hashlib.sha1(key).hexdigest())
    check("a daemon gets libtorrent's mutable item", status == 0 and got['text'] == 'mutable', got)
    status, got = daemons[1].run('get', '00' * 20)
    check('what nobody has is not found', status == 1 and not got.get('found'), got)
    node.stop()


if __name__ == '__main__':
    main()
    sys.stdout.flush()
    os._exit(0)

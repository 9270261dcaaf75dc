"""Eight nodes of npm's bittorrent-dht and four of ours in one swarm."""
import hashlib
import os
import sys

from krpc import Asker
from nodes import Node, check, wait_until

FOREIGN = 8


def value(answer):
    return bytes.fromhex(answer.get('value', ''))


def mutable_items(ours, others):
    seed = b'm' * 32
    key = bytes.fromhex(ours[0].do('sign', seed, b'salt', 1, b'0:')['key'])
    target = hashlib.sha1(key + b'salt').digest()
    put = others[1].do('put', seed, b'salt', 1, b'from npm', '-')
    check('bittorrent-dht stores its item', put['stored'] >= 4, put)
    for node in ours:
        got = node.do('get', target, b'salt')
        check('a node of ours reads it', value(got) == b'8:from npm' and got['seq'] == 1, got)
    put = ours[1].do('put', seed, b'salt', 2, b'5:first', '-')
    check('our update is taken', put['stored'] >= 8, put)
    put = ours[2].do('put', seed, b'salt', 3, b'7:from us', 1)
    check('one whose cas is wrong is refused with 301', put['error'] == 301 and put['stored'] <= 2, put)
    put = ours[2].do('put', seed, b'salt', 3, b'7:from us', 2)
    check('one with the right cas is taken', put['stored'] >= 8, put)
    for node in others[::3]:
        got = node.do('get', target, b'salt')
        check('bittorrent-dht reads it', value(got) == b'from us' and got['seq'] == 3, got)
    put = others[5].do('put', seed, b'salt', 4, b'and back', 3)
    check('its update with cas is taken', put['stored'] >= 4, put)
    got = ours[3].do('get', target, b'salt')
    check('a node of ours reads that', value(got) == b'8:and back' and got['seq'] == 4, got)
    put = ours[0].do('put', seed, b'salt', 3, b'3:old', '-')
    check('an older one is refused with 302', put['error'] == 302 and put['stored'] <= 6, put)


def other_things(ours, others):
    put = others[0].do('put-immutable', b'never changes')
    check('bittorrent-dht stores an immutable item', put['stored'] >= 4, put)
    got = ours[1].do('get', hashlib.sha1(b'13:never changes').digest(), b'')
    check('a node of ours reads it', value(got) == b'13:never changes', got)
    put = ours[0].do('put-immutable', b'4:ours')
    check('a node of ours stores one', put['stored'] >= 8, put)
    got = others[6].do('get', hashlib.sha1(b'4:ours').digest(), b'')
    check('bittorrent-dht reads it', value(got) == b'ours', got)

    target = hashlib.sha1(b'peers').digest()
    put = ours[0].do('announce', target, 7007)
    check('our announcement is taken', put['stored'] >= 8, put)
    address = '%s:7007' % ours[0].address[0]
    got = others[2].do('peers', target)
    check('bittorrent-dht finds that peer', address in got['peers'], got)
    others[3].do('announce', target, 8008)
    address = '%s:8008' % others[3].address[0]
    wait_until('we find the peer that bittorrent-dht announced', 20,
               lambda: address in ours[2].do('peers', target)['peers'])


def index(ours):
    authority = bytes.fromhex(ours[0].do('sign', b'A' * 32, b'', 1, b'0:')['key'])
    put = ours[0].do('index-put', b'o' * 32, b'A' * 32, 1, b'a record')
    check('nodes of ours take a record among nodes that are silent about it', put['stored'] >= 1, put)
    for node in ours:
        got = node.do('index', hashlib.sha1(authority).digest())
        check('and find it', [value(record) for record in got['records']] == [b'a record'], got)


def main():
    program, modules, namespaces = os.environ['QE_NODE'], sys.argv[1], sys.argv[2:]
    first = ('10.77.4.1', 9000)
    here = os.path.dirname(os.path.abspath(__file__))
    ours = [Node(['ip', 'netns', 'exec', namespace, program], ('10.77.4.%d' % (1 + number), 9000), [first] if number else [])
            for number, namespace in enumerate(namespaces)]
    others = [Node(['node', os.path.join(here, 'bittorrent_dht_node.mjs'), modules], ('10.77.%d.10' % (10 + number), 6881), [first])
              for number in range(FOREIGN)]
    wait_until('all nodes of bittorrent-dht know five nodes', 60,
               lambda: all([node.do('stats')['nodes'] >= 5 for node in others]))
    wait_until('all nodes of ours know five good ones', 60,
               lambda: all([node.do('stats')['good_nodes'] >= 5 for node in ours]))
    mutable_items(ours, others)
    other_things(ours, others)
    index(ours)
    answer = Asker('10.77.90.1').ask(others[0].address, 'ping')
    check('bittorrent-dht still answers', isinstance(answer, dict), answer)
    for node in others + ours:
        node.stop()


if __name__ == '__main__':
    main()

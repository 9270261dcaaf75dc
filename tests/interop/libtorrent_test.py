"""Sixteen sessions of libtorrent, four nodes of ours and two that know nothing of BEP 44, in one swarm."""
import hashlib
import os
import sys
import tempfile
import threading
import warnings

import libtorrent as lt

from krpc import Asker, OldNode, Raw, encode
from nodes import Node, check, wait_until

warnings.simplefilter('ignore', DeprecationWarning)
SESSIONS = 16
SETTINGS = {
    'enable_dht': True, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'dht_bootstrap_nodes': '', 'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False,
    'dht_prefer_verified_node_ids': False, 'dht_block_ratelimit': 1000, 'dht_upload_rate_limit': 1000000,
    'alert_mask': lt.alert.category_t.all_categories,
}


class Session:
    def __init__(self, host):
        self.address = (host, 6881)
        self.session = lt.session(dict(SETTINGS, listen_interfaces='%s:6881' % host))
        self.alerts = []

    def meet(self, address):
        self.session.add_dht_node(address)

    def nodes(self):
        return self.session.status().dht_nodes

    def find(self, wanted):
        """The first alert that wanted() finds something in; what it found."""
        self.alerts += self.session.pop_alerts()
        for index, alert in enumerate(self.alerts):
            found = wanted(alert)
            if found is not None:
                del self.alerts[index]
                return found
        return None

    def forget(self):
        self.find(lambda alert: None)
        self.alerts = []

    def get_mutable(self, key, salt):
        """(seq, value) or None."""
        self.forget()
        self.session.dht_get_mutable_item(key, salt)

        def wanted(alert):
            if not isinstance(alert, lt.dht_mutable_item_alert):
                return None
            try:
                item = alert.item
            except RuntimeError:
                return None
            # Before the last answer another one may have a newer item.
            return (item['seq'], item['value']) if item['authoritative'] else None
        return wait_until('libtorrent at %s finds a mutable item' % self.address[0], 20, lambda: self.find(wanted))

    def get_immutable(self, target):
        self.forget()
        self.session.dht_get_immutable_item(lt.sha1_hash(target))

        def wanted(alert):
            if not isinstance(alert, lt.dht_immutable_item_alert):
                return None
            try:
                return alert.item['value']
            except RuntimeError:
                return None
        return wait_until('libtorrent at %s finds an immutable item' % self.address[0], 20, lambda: self.find(wanted))

    def put_mutable(self, expanded, key, value, salt):
        self.forget()
        self.session.dht_put_mutable_item(expanded, key, value, salt)
        return wait_until('libtorrent at %s puts a mutable item' % self.address[0], 40, self.was_put)

    def was_put(self):
        return self.find(lambda alert: alert.num_success if isinstance(alert, lt.dht_put_alert) else None)

    def peers(self, target):
        self.forget()
        self.session.dht_get_peers(lt.sha1_hash(target))
        return wait_until('libtorrent at %s finds peers' % self.address[0], 20, lambda: self.find(
            lambda alert: alert.peers() or None if isinstance(alert, lt.dht_get_peers_reply_alert) else None))


def mutable_items(sessions, ours):
    seed = b'm' * 32
    keys = ours[0].do('sign', seed, b'salt', 1, b'0:')
    key, expanded = bytes.fromhex(keys['key']), bytes.fromhex(keys['expanded'])
    target = hashlib.sha1(key + b'salt').digest()
    first = sessions[3].put_mutable(expanded, key, b'from libtorrent', b'salt')
    check('libtorrent stored its item on several nodes', first >= 4, first)
    for node in ours:
        got = node.do('get', target, b'salt')
        check('a node of ours reads what libtorrent put', bytes.fromhex(got.get('value', '')) == b'15:from libtorrent', got)
    # On more nodes than libtorrent puts to, so that each one that is asked has it.
    seq = got['seq'] + 1
    put = ours[1].do('put', seed, b'salt', seq, b'5:first', '-')
    check('an update is taken', put['stored'] >= 15, put)
    put = ours[2].do('put', seed, b'salt', seq + 1, b'8:from us!', seq + 7)
    check('one whose cas is wrong is refused with 301', put['stored'] <= 4 and put['error'] == 301, put)
    put = ours[1].do('put', seed, b'salt', seq + 1, b'8:from us!', seq)
    check('an update with the right cas is taken', put['stored'] >= 8, put)
    for session in sessions[::5]:
        got = session.get_mutable(key, b'salt')
        check('libtorrent reads the update', got == (seq + 1, b'from us!'), got)
    put = ours[2].do('put', seed, b'salt', seq, b'3:old', '-')
    check('an older one is refused with 302', put['stored'] <= 4 and put['error'] == 302, put)
    sessions[7].put_mutable(expanded, key, b'and back', b'salt')
    got = ours[3].do('get', target, b'salt')
    check('a node of ours reads the update of libtorrent', bytes.fromhex(got['value']) == b'8:and back', got)
    check('its number went on from ours', got['seq'] == seq + 2, got)


def immutable_items(sessions, ours):
    value = {b'list': [1, -2, b'three'], b'nested': {b'a': b'b'}}
    target = sessions[2].session.dht_put_immutable_item(value)
    wait_until('libtorrent puts an immutable item', 20, sessions[2].was_put)
    got = ours[0].do('get', bytes.fromhex(str(target)), b'')
    check('its bytes come to us as they are', hashlib.sha1(bytes.fromhex(got['value'])).hexdigest() == str(target), got)
    large = b'996:' + os.urandom(996)
    put = ours[2].do('put-immutable', large)
    check('a value of 1000 bytes is taken', put['stored'] >= 8, put)
    got = sessions[11].get_immutable(hashlib.sha1(large).digest())
    check('libtorrent reads it', got == large[4:], got)


def peers(sessions, ours):
    target = hashlib.sha1(b'peers').digest()
    put = ours[0].do('announce', target, 7007)
    check('our announcement is taken', put['stored'] >= 8, put)
    found = sessions[9].peers(target)
    check('libtorrent finds the peer that we announced', (ours[0].address[0], 7007) in found, found)
    with tempfile.TemporaryDirectory() as folder:
        # Its dht_announce() cannot be called from Python: a torrent announces itself.
        wanted = lt.add_torrent_params()
        wanted.info_hashes = lt.info_hash_t(lt.sha1_hash(target))
        wanted.save_path = folder
        torrent = sessions[4].session.add_torrent(wanted)
        torrent.force_dht_announce()
        address = '%s:%d' % sessions[4].address
        wait_until('we find the peer that libtorrent announced', 30,
                   lambda: address in ours[3].do('peers', target)['peers'])
        sessions[4].session.remove_torrent(torrent)


def index(ours):
    for number, node in enumerate(ours):
        put = node.do('index-put', bytes([number]) * 32, b'A' * 32, 1, b'value %d' % number)
        # Which of the three others it meets is up to whom the sessions tell of.
        check('nodes of ours take records of the index', put['stored'] >= 1, put)
    authority = bytes.fromhex(ours[0].do('sign', b'A' * 32, b'', 1, b'0:')['key'])
    wanted = {'value %d' % number for number in range(len(ours))}

    def finds_all(node):
        got = node.do('index', hashlib.sha1(authority).digest())
        return {bytes.fromhex(record['value']).decode() for record in got['records']} == wanted
    for node in ours:
        wait_until('all of them are found among nodes that know no index', 20, lambda node=node: finds_all(node))


def errors(name, asker, to, ours):
    """Each wrong request and its error, put to a node of ours and to libtorrent alike."""
    seed = os.urandom(32)

    def token(target):
        return asker.ask(to, 'get', target=target)['token']

    def signed(seq, value, salt=b''):
        got = ours[0].do('sign', seed, salt, seq, value)
        return bytes.fromhex(got['key']), bytes.fromhex(got['signature'])

    def put(seq, value, salt=b'', **change):
        key, signature = signed(seq, value, salt)
        arguments = dict(k=key, sig=signature, seq=seq, v=Raw(value), token=token(hashlib.sha1(key + salt).digest()))
        if salt:
            arguments['salt'] = salt
        arguments.update(change)
        return asker.ask(to, 'put', **arguments)

    def expect(what, code, answer):
        if code is None:
            check('%s: %s is taken' % (name, what), isinstance(answer, dict), answer)
        else:
            check('%s: %s is refused with %d' % (name, what, code), answer == ('error', code), answer)

    expect('a first item', None, put(5, b'3:one'))
    expect('the same again', None, put(5, b'3:one'))
    expect('one with a bad token', 203, put(6, b'3:two', token=b'12345678'))
    expect('one without a token', 203, put(6, b'3:two', token=b''))
    expect('a value of 1001 bytes', 205, put(6, b'997:' + b'x' * 997))
    expect('a salt of 65 bytes', 207, put(6, b'3:two', salt=b's' * 65))
    expect('a bad signature', 206, put(6, b'3:two', sig=bytes(64)))
    expect('a cas that does not match', 301, put(6, b'3:two', cas=4))
    expect('a lower seq', 302, put(4, b'3:two'))
    expect('keys in disorder', 203, put(6, b'd1:bi1e1:ai1ee'))
    expect('an update with cas', None, put(6, b'3:two', cas=5))
    expect('an unknown method', 204 if name == 'ours' else 203, asker.ask(to, 'no_such_method'))
    answer = asker.ask(to, 'no_such_method', target=bytes(20))
    check('%s: an unknown method with a target is routed' % name, isinstance(answer, dict) and 'nodes' in answer, answer)
    for garbage in (b'', b'd', b'de', b'd1:a', b'i1e', b'd1:ad2:id20:' + bytes(20), os.urandom(200), b'd' * 1000):
        answer = asker.send(to, garbage, 0.3)
        check('%s: garbage (%r) is met with silence' % (name, garbage[:8]), answer is None, answer)


def main():
    program, subnet = os.environ['QE_NODE'], '10.77'
    namespaces = sys.argv[1:]
    first = ('%s.4.1' % subnet, 9000)
    ours = []
    sessions = [Session('%s.%d.10' % (subnet, 10 + number)) for number in range(SESSIONS)]
    for number, namespace in enumerate(namespaces):
        command = ['ip', 'netns', 'exec', namespace, program]
        bootstrap = [first] if number else [sessions[0].address]
        ours.append(Node(command, ('%s.4.%d' % (subnet, 1 + number), 9000), bootstrap))
    for session in sessions:
        session.meet(first)
    wait_until('all nodes of ours have joined', 30, lambda: all(node.do('stats')['joined'] for node in ours))
    wait_until('all sessions know eight nodes', 60, lambda: all([knows_eight(session, sessions) for session in sessions]))
    wait_until('all nodes of ours know ten good nodes', 60, lambda: all(node.do('stats')['good_nodes'] >= 10 for node in ours))

    mutable_items(sessions, ours)
    immutable_items(sessions, ours)
    peers(sessions, ours)
    index(ours)
    errors('ours', Asker('%s.90.1' % subnet), ours[0].address, ours)
    errors('libtorrent', Asker('%s.91.1' % subnet), sessions[5].address, ours)

    # Nodes close to a target that answer BEP 5 only.
    keys = ours[0].do('sign', b'o' * 32, b'', 1, b'0:')
    key, expanded = bytes.fromhex(keys['key']), bytes.fromhex(keys['expanded'])
    target = hashlib.sha1(key).digest()
    known = [(session_id(session), session.address) for session in sessions[:4]]
    olds = [OldNode(('%s.%d.1' % (subnet, 92 + n), 6881), target[:19] + bytes([target[19] ^ (n + 1)]), known)
            for n in range(3)]
    for old in olds:
        threading.Thread(target=old.run, daemon=True).start()
        for session in sessions:
            session.meet(old.socket.getsockname())
    wait_until('the nodes without BEP 44 are known', 30, lambda: all(old.asked for old in olds))
    sessions[6].put_mutable(expanded, key, b'past the old', b'')
    got = ours[2].do('get', target, b'')
    check('a lookup passes nodes that do not speak BEP 44', bytes.fromhex(got.get('value', '')) == b'12:past the old', got)
    check('it asked one of them', any(ours[2].address in old.silent_to for old in olds))

    for node in ours:
        stats = node.do('stats')
        check('a node of ours agrees with others on its address', stats['external'] == '%s:%d' % node.address, stats)
        node.stop()


def knows_eight(session, sessions):
    """libtorrent's tables fill slowly, when they do by themselves: those who know too few are told of others."""
    if session.nodes() >= 8:
        return True
    at = sessions.index(session)
    for step in (1, 2, 5, 7):
        session.meet(sessions[(at + step) % len(sessions)].address)
    return False


def session_id(session):
    return Asker('10.77.91.1').ask(session.address, 'ping')['id']


if __name__ == '__main__':
    main()
    sys.stdout.flush()
    # Sixteen sessions take their time to close, and nobody waits for what they say.
    os._exit(0)

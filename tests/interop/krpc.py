"""Bencoding, and KRPC as one asks a node by hand: also what no library would send."""
import socket


class Raw(bytes):
    """A value that is bencoded already, well or not."""


def encode(value):
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, int):
        return b'i%de' % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b'%d:%s' % (len(value), value)
    if isinstance(value, list):
        return b'l' + b''.join(encode(item) for item in value) + b'e'
    keys = sorted(value, key=lambda key: key.encode())
    return b'd' + b''.join(encode(key) + encode(value[key]) for key in keys) + b'e'


def _decode(data, at):
    kind = data[at:at + 1]
    if kind == b'i':
        end = data.index(b'e', at)
        return int(data[at + 1:end]), end + 1
    if kind in (b'l', b'd'):
        items, at = [], at + 1
        while data[at:at + 1] != b'e':
            item, at = _decode(data, at)
            items.append(item)
        if kind == b'l':
            return items, at + 1
        return {key.decode('latin-1'): value for key, value in zip(items[::2], items[1::2])}, at + 1
    colon = data.index(b':', at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end], end


def decode(data):
    return _decode(data, 0)[0]


class Asker:
    """One socket that asks one thing at a time."""

    def __init__(self, address, node_id=b'i' * 20):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.id = node_id
        self.serial = 0

    def send(self, to, datagram, seconds=2.0):
        """The answer to a datagram, decoded; None: silence."""
        self.socket.settimeout(seconds)
        self.socket.sendto(datagram, to)
        while True:
            try:
                data, source = self.socket.recvfrom(4096)
            except (socket.timeout, ConnectionError):
                return None
            if source == to:
                return decode(data)

    def ask(self, to, method, **arguments):
        """The reply's dictionary, or ('error', code); None: silence."""
        self.serial += 1
        arguments['id'] = self.id
        # Read-only (BEP 43): this is nobody to be remembered.
        query = {'t': b'%04d' % self.serial, 'y': 'q', 'q': method, 'a': arguments, 'ro': 1}
        answer = self.send(to, encode(query))
        if answer is None:
            return None
        if answer['y'] == b'e':
            return ('error', answer['e'][0])
        return answer['r']


class OldNode:
    """A node from before BEP 44: answers BEP 5's queries, is silent on all others, and knows the nodes it was told."""

    def __init__(self, address, node_id, known):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.2)
        self.id = node_id
        self.nodes = b''.join(
            known_id + socket.inet_aton(host) + port.to_bytes(2, 'big') for known_id, (host, port) in known)
        self.asked = {}
        self.silent_to = set()
        self.running = True

    def run(self):
        while self.running:
            try:
                data, source = self.socket.recvfrom(4096)
                query = decode(data)
            except (OSError, ValueError):
                continue
            if query.get('y') != b'q':
                continue
            method = query['q'].decode()
            self.asked[method] = self.asked.get(method, 0) + 1
            reply = {'id': self.id}
            if method in ('find_node', 'get_peers'):
                reply['nodes'] = self.nodes
            if method == 'get_peers':
                reply['token'] = 'old'
            if method not in ('ping', 'find_node', 'get_peers', 'announce_peer'):
                self.silent_to.add(source)
            else:
                self.socket.sendto(encode({'t': query['t'], 'y': 'r', 'r': reply}), source)

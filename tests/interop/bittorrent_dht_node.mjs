// A node of npm's bittorrent-dht that is told what to do like ours (node.c): node MODULES ADDRESS:PORT [BOOTSTRAP...]
// Values are byte strings, in hex without their bencoding.
import crypto from 'node:crypto'
import path from 'node:path'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

const [modules, own, ...bootstrap] = process.argv.slice(2)
const { default: DHT } = await import(pathToFileURL(path.join(modules, 'bittorrent-dht', 'index.js')))

// RFC 8410: what stands before a raw Ed25519 key.
const privateHead = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicHead = Buffer.from('302a300506032b6570032100', 'hex')

function verify (signature, message, key) {
  const publicKey = crypto.createPublicKey(
    { key: Buffer.concat([publicHead, key]), format: 'der', type: 'spki' })
  return crypto.verify(null, message, publicKey, signature)
}

function keyPair (seed) {
  const secret = crypto.createPrivateKey(
    { key: Buffer.concat([privateHead, seed]), format: 'der', type: 'pkcs8' })
  const spki = crypto.createPublicKey(secret).export({ format: 'der', type: 'spki' })
  return { secret, key: spki.subarray(publicHead.length) }
}

const [host, port] = own.split(':')
const dht = new DHT({ bootstrap, verify, host })
dht.listen(Number(port), host)
dht.on('error', error => { console.error(error.message); process.exit(1) })

function bytes (word) {
  return word === undefined || word === '-' ? Buffer.alloc(0) : Buffer.from(word, 'hex')
}

function put (seed, salt, seq, value, cas, done) {
  const { secret, key } = keyPair(bytes(seed))
  const item = { k: key, v: bytes(value), seq: Number(seq), sign: text => crypto.sign(null, text, secret) }
  if (salt !== '-') item.salt = bytes(salt)
  if (cas !== '-') item.cas = Number(cas)
  dht.put(item, (error, _, count) => done({ error: error ? error.message : '', stored: error ? 0 : count }))
}

function get (target, salt, done) {
  dht.get(bytes(target), { salt: salt === '-' ? undefined : bytes(salt), cache: false }, (error, found) => {
    if (error || !found) return done({ error: error ? error.message : 'not found' })
    done({ value: Buffer.from(found.v).toString('hex'), seq: found.seq })
  })
}

function peers (target, done) {
  const found = []
  const onPeer = (peer, hash) => { if (Buffer.from(hash).equals(bytes(target))) found.push(peer.host + ':' + peer.port) }
  dht.on('peer', onPeer)
  dht.lookup(bytes(target), () => {
    dht.off('peer', onPeer)
    done({ peers: found })
  })
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const [tag, command, ...words] = line.split(' ')
  const done = answer => process.stdout.write(tag + ' ' + JSON.stringify(answer) + '\n')
  if (command === 'stats') done({ nodes: dht.nodes.toArray().length })
  if (command === 'put') put(...words, done)
  if (command === 'put-immutable') dht.put({ v: bytes(words[0]) }, (error, _, count) => done({ error, stored: count }))
  if (command === 'get') get(...words, done)
  if (command === 'peers') peers(words[0], done)
  if (command === 'announce') dht.announce(bytes(words[0]), Number(words[1]), error => done({ error }))
}).on('close', () => process.exit(0))

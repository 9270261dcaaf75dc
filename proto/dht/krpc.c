// Reading a message walks over its dictionaries once. What a foreign node adds is passed over; what it gets wrong is as
// good as absent, so that whoever uses a message looks at what is there and at nothing else.
#include "dht/krpc.h"

static const char *const methods[] = {
    [QE_KRPC_PING] = "ping",
    [QE_KRPC_FIND_NODE] = "find_node",
    [QE_KRPC_GET_PEERS] = "get_peers",
    [QE_KRPC_ANNOUNCE_PEER] = "announce_peer",
    [QE_KRPC_GET] = "get",
    [QE_KRPC_PUT] = "put",
    [QE_KRPC_INDEX_GET] = "qe_get",
    [QE_KRPC_INDEX_PUT] = "qe_put",
    [QE_KRPC_REGISTER] = "qe_register",
    [QE_KRPC_PUNCH] = "qe_punch",
    [QE_KRPC_SIGNAL] = "qe_signal",
    [QE_KRPC_CHECK] = "qe_check",
    [QE_KRPC_PROBE] = "qe_probe",
};

static bool is(struct qe_span name, const char *wanted)
{
    return name.size == strlen(wanted) && memcmp(name.data, wanted, name.size) == 0;
}

static void read_id(const struct qe_bencode *value, struct qe_node_id *out, bool *has)
{
    if (value->type != QE_BENCODE_STRING || value->string.size != sizeof out->bytes) return;
    memcpy(out->bytes, value->string.data, sizeof out->bytes);
    *has = true;
}

static void read_want(const struct qe_bencode *list, struct qe_krpc *m)
{
    struct qe_reader r = qe_reader(list->string);
    struct qe_bencode item;
    while (qe_bencode_each(&r, &item)) {
        if (is(item.string, "n4")) m->want4 = true;
        if (is(item.string, "n6")) m->want6 = true;
    }
}

static void read_string_field(struct qe_span name, const struct qe_bencode *value, struct qe_krpc *m)
{
    static const struct {
        const char *name;
        size_t at;
    } fields[] = {
        {"token", offsetof(struct qe_krpc, token)},
        {"k", offsetof(struct qe_krpc, key)},
        {"sig", offsetof(struct qe_krpc, signature)},
        {"salt", offsetof(struct qe_krpc, salt)},
        {"nodes", offsetof(struct qe_krpc, nodes)},
        {"nodes6", offsetof(struct qe_krpc, nodes6)},
        {"rec", offsetof(struct qe_krpc, record)},
        {"auth", offsetof(struct qe_krpc, authority)},
        {"next", offsetof(struct qe_krpc, next)},
        {"nonce", offsetof(struct qe_krpc, nonce)},
        {"p", offsetof(struct qe_krpc, payload)},
    };
    if (is(name, "id")) read_id(value, &m->id, &m->has_id);
    if (is(name, "peer")) m->has_peer = qe_krpc_addr_read(value->string, &m->peer);
    if (is(name, "target") || is(name, "info_hash")) read_id(value, &m->target, &m->has_target);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (is(name, fields[i].name)) *(struct qe_span *)(void *)((uint8_t *)m + fields[i].at) = value->string;
}

static void read_integer_field(struct qe_span name, int64_t value, struct qe_krpc *m)
{
    if (is(name, "seq")) m->has_seq = true, m->seq = value;
    if (is(name, "cas")) m->has_cas = true, m->cas = value;
    if (is(name, "age") && value >= 0) m->has_age = true, m->age_s = (uint64_t)value;
    if (is(name, "how")) m->how = value;
    if (is(name, "ans")) m->answers = value == 1;
    if (is(name, "open")) m->open = value == 1;
    if (is(name, "reg")) m->registered = value == 1;
    if (is(name, "implied_port")) m->implied_port = value != 0;
    if (is(name, "port") && value > 0 && value <= UINT16_MAX) m->port = (uint16_t)value;
}

// The arguments of a query, or what a reply returns: no two fields of the same name differ between them.
static void read_fields(const struct qe_bencode *dictionary, struct qe_krpc *m)
{
    struct qe_reader r = qe_reader(dictionary->string);
    struct qe_bencode name, value;
    while (qe_bencode_each(&r, &name) && qe_bencode_each(&r, &value)) {
        if (is(name.string, "v")) m->value = value.raw;
        if (value.type == QE_BENCODE_STRING) read_string_field(name.string, &value, m);
        if (value.type == QE_BENCODE_INTEGER) read_integer_field(name.string, value.integer, m);
        if (value.type != QE_BENCODE_LIST) continue;
        if (is(name.string, "want")) read_want(&value, m);
        if (is(name.string, "values")) m->has_values = true, m->values = value.string;
        if (is(name.string, "recs")) m->has_records = true, m->records = value.string;
    }
}

static enum qe_krpc_method method_of(struct qe_span name)
{
    for (size_t i = QE_KRPC_PING; i < sizeof methods / sizeof methods[0]; i++)
        if (is(name, methods[i])) return (enum qe_krpc_method)i;
    return QE_KRPC_UNKNOWN;
}

static bool read_error(const struct qe_bencode *list, struct qe_krpc *m)
{
    struct qe_reader r = qe_reader(list->string);
    struct qe_bencode code, text;
    if (list->type != QE_BENCODE_LIST || !qe_bencode_each(&r, &code) || code.type != QE_BENCODE_INTEGER) return false;
    m->error_code = code.integer > 0 && code.integer <= INT16_MAX ? (int)code.integer : QE_KRPC_ERROR_GENERIC;
    if (qe_bencode_each(&r, &text)) m->error_text = text.string;
    return true;
}

struct envelope {
    struct qe_bencode a, r, e, q, y;
};

static void read_envelope(const struct qe_bencode *all, struct envelope *in, struct qe_krpc *m)
{
    struct qe_reader r = qe_reader(all->string);
    struct qe_bencode name, value;
    while (qe_bencode_each(&r, &name) && qe_bencode_each(&r, &value)) {
        if (is(name.string, "a")) in->a = value;
        if (is(name.string, "r")) in->r = value;
        if (is(name.string, "e")) in->e = value;
        if (is(name.string, "ro")) m->read_only = value.integer == 1;
        if (value.type != QE_BENCODE_STRING) continue;
        if (is(name.string, "q")) in->q = value;
        if (is(name.string, "y")) in->y = value;
        if (is(name.string, "t")) m->transaction = value.string;
        if (is(name.string, "v")) m->version = value.string;
        if (is(name.string, "ip")) m->has_ip = qe_krpc_addr_read(value.string, &m->ip);
    }
}

bool qe_krpc_read(struct qe_span datagram, struct qe_krpc *out)
{
    struct qe_krpc m = {0};
    struct envelope in = {0};
    if (datagram.size > QE_KRPC_READ_MAX || !qe_bencode_check(datagram, &m.canonical)) return false;
    struct qe_reader r = qe_reader(datagram);
    struct qe_bencode all = qe_bencode_read(&r);
    if (all.type != QE_BENCODE_DICTIONARY) return false;
    read_envelope(&all, &in, &m);
    if (m.transaction.size == 0 || m.transaction.size > QE_KRPC_TRANSACTION_MAX) return false;
    if (is(in.y.string, "q")) {
        m.type = QE_KRPC_QUERY;
        if (!in.q.string.data || in.a.type != QE_BENCODE_DICTIONARY) return false;
        m.method = method_of(in.q.string);
        read_fields(&in.a, &m);
    } else if (is(in.y.string, "r")) {
        m.type = QE_KRPC_REPLY;
        if (in.r.type != QE_BENCODE_DICTIONARY) return false;
        read_fields(&in.r, &m);
    } else if (is(in.y.string, "e")) {
        m.type = QE_KRPC_ERROR;
        if (!read_error(&in.e, &m)) return false;
    } else {
        return false;
    }
    if (m.type != QE_KRPC_ERROR && !m.has_id) return false;
    *out = m;
    return true;
}

static void write_field(struct qe_writer *w, const char *key, struct qe_span string)
{
    if (!string.data) return;
    qe_bencode_write_key(w, key);
    qe_bencode_write_string(w, string);
}

static void write_number(struct qe_writer *w, const char *key, bool there, int64_t value)
{
    if (!there) return;
    qe_bencode_write_key(w, key);
    qe_bencode_write_integer(w, value);
}

static void write_raw(struct qe_writer *w, const char *key, struct qe_span bencoded)
{
    if (bencoded.size == 0) return;
    qe_bencode_write_key(w, key);
    qe_write_bytes(w, bencoded.data, bencoded.size);
}

static void write_list(struct qe_writer *w, const char *key, bool there, struct qe_span content)
{
    if (!there) return;
    qe_bencode_write_key(w, key);
    qe_write8(w, 'l');
    qe_write_bytes(w, content.data, content.size);
    qe_write8(w, 'e');
}

static struct qe_span id_span(const struct qe_node_id *id)
{
    return qe_span(id->bytes, sizeof id->bytes);
}

static void write_pad(struct qe_writer *w, size_t size)
{
    qe_bencode_write_key(w, "pad");
    uint8_t zeros[QE_DHT_DATAGRAM_MAX] = {0};
    qe_bencode_write_string(w, qe_span(zeros, size < sizeof zeros ? size : sizeof zeros));
}

static void write_peer(struct qe_writer *w, const struct qe_krpc *m)
{
    uint8_t peer[QE_KRPC_ADDR_MAX];
    if (m->has_peer) write_field(w, "peer", qe_span(peer, qe_krpc_addr_write(&m->peer, peer)));
}

static void write_arguments(struct qe_writer *w, const struct qe_krpc *m, bool padded, size_t pad)
{
    bool info_hash = m->method == QE_KRPC_GET_PEERS || m->method == QE_KRPC_ANNOUNCE_PEER;
    struct qe_span target = m->has_target ? id_span(&m->target) : (struct qe_span){0};
    qe_write8(w, 'd');
    write_number(w, "ans", m->answers, 1);
    write_field(w, "auth", m->authority);
    write_number(w, "cas", m->has_cas, m->cas);
    write_number(w, "how", m->how != 0, m->how);
    write_field(w, "id", id_span(&m->id));
    write_number(w, "implied_port", m->implied_port, 1);
    if (info_hash) write_field(w, "info_hash", target);
    write_field(w, "k", m->key);
    write_field(w, "next", m->next);
    write_field(w, "nonce", m->nonce);
    write_field(w, "p", m->payload);
    if (padded) write_pad(w, pad);
    write_peer(w, m);
    write_number(w, "port", m->port != 0, m->port);
    write_field(w, "rec", m->record);
    write_field(w, "salt", m->salt);
    write_number(w, "seq", m->has_seq, m->seq);
    write_field(w, "sig", m->signature);
    if (!info_hash) write_field(w, "target", target);
    write_field(w, "token", m->token);
    write_raw(w, "v", m->value);
    if (m->want4 || m->want6) {
        const char *list = m->want4 && m->want6 ? "2:n42:n6" : m->want4 ? "2:n4" : "2:n6";
        write_list(w, "want", true, qe_span(list, strlen(list)));
    }
    qe_write8(w, 'e');
}

static void write_return(struct qe_writer *w, const struct qe_krpc *m)
{
    qe_write8(w, 'd');
    write_number(w, "age", m->has_age, (int64_t)m->age_s);
    write_field(w, "auth", m->authority);
    write_field(w, "id", id_span(&m->id));
    write_field(w, "k", m->key);
    write_field(w, "next", m->next);
    write_field(w, "nodes", m->nodes);
    write_field(w, "nodes6", m->nodes6);
    write_number(w, "open", m->open, 1);
    write_peer(w, m);
    write_number(w, "port", m->port != 0, m->port);
    write_list(w, "recs", m->has_records, m->records);
    write_number(w, "reg", m->registered, 1);
    write_number(w, "seq", m->has_seq, m->seq);
    write_field(w, "sig", m->signature);
    write_field(w, "token", m->token);
    write_raw(w, "v", m->value);
    write_list(w, "values", m->has_values, m->values);
    qe_write8(w, 'e');
}

static size_t write_message(const struct qe_krpc *m, bool padded, size_t pad, uint8_t *out, size_t size)
{
    static const char *const types[] = {"q", "r", "e"};
    struct qe_writer w = qe_writer(out, size);
    uint8_t ip[QE_KRPC_ADDR_MAX];
    qe_write8(&w, 'd');
    if (m->type == QE_KRPC_QUERY) {
        qe_bencode_write_key(&w, "a");
        write_arguments(&w, m, padded, pad);
    } else if (m->type == QE_KRPC_ERROR) {
        qe_bencode_write_key(&w, "e");
        qe_write8(&w, 'l');
        qe_bencode_write_integer(&w, m->error_code);
        qe_bencode_write_string(&w, m->error_text);
        qe_write8(&w, 'e');
    }
    if (m->has_ip) write_field(&w, "ip", qe_span(ip, qe_krpc_addr_write(&m->ip, ip)));
    if (m->type == QE_KRPC_QUERY) write_field(&w, "q", qe_span(methods[m->method], strlen(methods[m->method])));
    if (m->type == QE_KRPC_REPLY) {
        qe_bencode_write_key(&w, "r");
        write_return(&w, m);
    }
    write_number(&w, "ro", m->read_only, 1);
    write_field(&w, "t", m->transaction);
    write_field(&w, "v", m->version);
    write_field(&w, "y", qe_span(types[m->type], 1));
    qe_write8(&w, 'e');
    return w.failed ? 0 : qe_writer_size(&w);
}

size_t qe_krpc_write(const struct qe_krpc *message, uint8_t *out, size_t size)
{
    // "3:pad" and an empty string: what a pad adds at least.
    const size_t pad_min = 7;
    size_t written = write_message(message, false, 0, out, size);
    size_t wanted = (message->reply_max + QE_KRPC_AMPLIFICATION - 1) / QE_KRPC_AMPLIFICATION;
    if (written == 0 || message->type != QE_KRPC_QUERY || written >= wanted) return written;
    size_t pad = wanted - written > pad_min ? wanted - written - pad_min : 0;
    return write_message(message, true, pad, out, size);
}

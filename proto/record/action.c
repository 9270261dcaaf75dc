#include "record/action.h"

#include "record/event.h"

#include <sodium.h>
#include <stdio.h>

static void put_hash(struct qe_record_body *body, struct qe_span bytes, const struct qe_record_hash *hash)
{
    uint8_t out[QE_RECORD_HASH_SIZE];
    _Static_assert(QE_RECORD_HASH_SIZE == crypto_onetimeauth_BYTES, "Poly1305");
    crypto_onetimeauth(out, bytes.data, bytes.size, hash->key);
    qe_record_put(body, bytes.size);
    qe_record_put_bytes(body, out, sizeof out);
}

static void put_prefixes(struct qe_record_body *body, const struct qe_prefixes *prefixes)
{
    qe_record_put(body, prefixes->request);
    qe_record_put(body, prefixes->count);
    for (size_t i = 0; i < prefixes->count; i++)
        qe_record_put_cidr(body, &prefixes->list[i]);
}

static void put_send(struct qe_record_body *body, const struct qe_send *send, const struct qe_record_hash *hash)
{
    qe_record_put(body, send->socket);
    qe_record_put(body, send->interface);
    qe_record_put_addr(body, &send->local);
    qe_record_put_addr(body, &send->remote);
    qe_record_put(body, send->segment_size);
    qe_record_put8(body, send->ecn);
    put_hash(body, qe_span(qe_buf_bytes(send->buf), send->buf->size), hash);
}

void qe_record_put_action(
    struct qe_record_body *body, const struct qe_action *action, const struct qe_record_hash *hash)
{
    qe_record_put8(body, (uint8_t)action->kind);
    switch (action->kind) {
    case QE_ACTION_SEND:
        put_send(body, &action->send, hash);
        break;
    case QE_ACTION_DELIVER:
        qe_record_put_offload(body, &action->deliver.offload);
        put_hash(body, qe_span(qe_buf_bytes(action->deliver.buf), action->deliver.buf->size), hash);
        break;
    case QE_ACTION_SOCKET_OPEN:
        qe_record_put(body, action->socket_open.request);
        qe_record_put(body, action->socket_open.socket);
        qe_record_put_addr(body, &action->socket_open.bind);
        break;
    case QE_ACTION_SOCKET_CLOSE:
        qe_record_put(body, action->socket_close);
        break;
    case QE_ACTION_TUN_OPEN:
        qe_record_put(body, action->tun_open.request);
        qe_record_put_text(body, action->tun_open.name);
        qe_record_put(body, action->tun_open.mtu);
        qe_record_put(body, action->tun_open.address_count);
        for (size_t i = 0; i < action->tun_open.address_count; i++)
            qe_record_put_cidr(body, &action->tun_open.addresses[i]);
        break;
    case QE_ACTION_STORE:
        qe_record_put_text(body, action->store.key);
        put_hash(body, action->store.value, hash);
        break;
    case QE_ACTION_ERASE:
        qe_record_put_text(body, action->erase_key);
        break;
    case QE_ACTION_LOG:
        qe_record_put8(body, (uint8_t)action->log.level);
        qe_record_put_text(body, action->log.text);
        break;
    case QE_ACTION_REPLY:
        qe_record_put(body, action->reply.command);
        qe_record_put_signed(body, action->reply.status);
        put_hash(body, action->reply.body, hash);
        break;
    case QE_ACTION_ADDRESSES:
        put_prefixes(body, &action->addresses);
        break;
    case QE_ACTION_ROUTES:
        put_prefixes(body, &action->routes);
        break;
    case QE_ACTION_FORWARD:
        put_prefixes(body, &action->forward.prefixes);
        qe_record_put8(body, action->forward.masquerade);
        break;
    case QE_ACTION_RESOLVE:
        qe_record_put(body, action->resolve.request);
        qe_record_put_text(body, action->resolve.name);
        break;
    case QE_ACTION_DNS:
        qe_record_put(body, action->dns.request);
        qe_record_put_text(body, action->dns.domain);
        qe_record_put_addr(body, &action->dns.server);
        break;
    case QE_ACTION_MAP_PORT:
        qe_record_put(body, action->map_port.request);
        qe_record_put(body, action->map_port.interface);
        qe_record_put(body, action->map_port.port);
        qe_record_put(body, action->map_port.lifetime_s);
        break;
    case QE_ACTION_NOTIFY:
        qe_record_put_text(body, action->notify);
        break;
    case QE_ACTION_STOPPED:
        qe_record_put_text(body, action->stopped);
        break;
    }
}

// The text is not NUL-terminated; -1 as its length for none.
struct text {
    const char *at;
    int size;
};

static struct text get_text(struct qe_reader *r)
{
    bool null;
    struct qe_span span = qe_record_get_text(r, &null);
    if (null || r->failed) return (struct text){"(none)", 6};
    return (struct text){(const char *)span.data, span.size > 512 ? 512 : (int)span.size};
}

// "size=1200 hash=0123…"
static const char *get_hash(struct qe_reader *r, char out[64])
{
    uint64_t size = qe_record_get(r);
    uint8_t hash[QE_RECORD_HASH_SIZE];
    char hex[9];
    qe_read_copy(r, hash, sizeof hash);
    for (int i = 0; i < 4; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    snprintf(out, 64, "size=%llu hash=%s", (unsigned long long)size, hex);
    return out;
}

static void describe_send(struct qe_reader *r, char *out, size_t size)
{
    char local[QE_ADDR_TEXT_SIZE], remote[QE_ADDR_TEXT_SIZE], hash[64];
    unsigned long long socket = qe_record_get(r), interface = qe_record_get(r);
    struct qe_addr from = qe_record_get_addr(r), to = qe_record_get_addr(r);
    unsigned long long segment = qe_record_get(r);
    unsigned ecn = qe_read8(r);
    snprintf(out, size, "send socket=%llu interface=%llu local=%s remote=%s segment=%llu ecn=%u %s", socket, interface,
        from.ip.family ? qe_addr_format(&from, local) : "-", qe_addr_format(&to, remote), segment, ecn,
        get_hash(r, hash));
}

static void describe_deliver(struct qe_reader *r, char *out, size_t size)
{
    struct qe_offload o;
    char hash[64];
    qe_record_get_offload(r, &o);
    snprintf(out, size, "deliver kind=%u header=%u segment=%u checksum=%u+%u needs=%u valid=%u %s", o.kind,
        o.header_size, o.segment_size, o.checksum_start, o.checksum_offset, o.needs_checksum, o.checksum_valid,
        get_hash(r, hash));
}

static void describe_tun_open(struct qe_reader *r, char *out, size_t size)
{
    char addr[QE_ADDR_TEXT_SIZE];
    unsigned long long request = qe_record_get(r);
    struct text name = get_text(r);
    unsigned long long mtu = qe_record_get(r), count = qe_record_get(r);
    struct qe_cidr first = {0};
    if (count) first = qe_record_get_cidr(r);
    snprintf(out, size, "tun_open request=%llu name=%.*s mtu=%llu addresses=%llu first=%s", request, name.size, name.at,
        mtu, count, qe_cidr_format(&first, addr));
    r->at = r->failed ? r->at : r->end; // the other addresses need no line
}

static void describe_prefixes(enum qe_action_kind kind, struct qe_reader *r, char *out, size_t size)
{
    const char *name = kind == QE_ACTION_ADDRESSES ? "addresses" : kind == QE_ACTION_ROUTES ? "routes" : "forward";
    char addr[QE_ADDR_TEXT_SIZE];
    unsigned long long request = qe_record_get(r), count = qe_record_get(r);
    int used = snprintf(out, size, "%s request=%llu count=%llu", name, request, count);
    for (unsigned long long i = 0; i < count && !r->failed; i++) {
        struct qe_cidr cidr = qe_record_get_cidr(r);
        if (used >= 0 && (size_t)used < size)
            used += snprintf(out + used, size - (size_t)used, " %s", qe_cidr_format(&cidr, addr));
    }
    if (kind != QE_ACTION_FORWARD) return;
    bool masquerade = qe_read8(r) != 0;
    if (used >= 0 && (size_t)used < size && masquerade) snprintf(out + used, size - (size_t)used, " masquerade");
}

static void describe_map_port(struct qe_reader *r, char *out, size_t size)
{
    unsigned long long request = qe_record_get(r), interface = qe_record_get(r);
    unsigned long long port = qe_record_get(r), lifetime_s = qe_record_get(r);
    snprintf(out, size, "map_port request=%llu interface=%llu port=%llu lifetime_s=%llu", request, interface, port,
        lifetime_s);
}

static void describe_rest(enum qe_action_kind kind, struct qe_reader *r, char *out, size_t size)
{
    char addr[QE_ADDR_TEXT_SIZE], hash[64];
    unsigned long long a, b;
    struct text text;
    struct qe_addr bind;
    switch (kind) {
    case QE_ACTION_SOCKET_OPEN:
        a = qe_record_get(r);
        b = qe_record_get(r);
        bind = qe_record_get_addr(r);
        snprintf(out, size, "socket_open request=%llu socket=%llu bind=%s", a, b, qe_addr_format(&bind, addr));
        break;
    case QE_ACTION_SOCKET_CLOSE:
        snprintf(out, size, "socket_close socket=%llu", (unsigned long long)qe_record_get(r));
        break;
    case QE_ACTION_STORE:
        text = get_text(r);
        snprintf(out, size, "store key=%.*s %s", text.size, text.at, get_hash(r, hash));
        break;
    case QE_ACTION_LOG:
        a = qe_read8(r);
        text = get_text(r);
        snprintf(out, size, "log level=%llu text=%.*s", a, text.size, text.at);
        break;
    case QE_ACTION_REPLY:
        a = qe_record_get(r);
        b = (unsigned long long)qe_record_get_signed(r);
        snprintf(out, size, "reply command=%llu status=%lld %s", a, (long long)b, get_hash(r, hash));
        break;
    case QE_ACTION_RESOLVE:
        a = qe_record_get(r);
        text = get_text(r);
        snprintf(out, size, "resolve request=%llu name=%.*s", a, text.size, text.at);
        break;
    case QE_ACTION_DNS:
        a = qe_record_get(r);
        text = get_text(r);
        bind = qe_record_get_addr(r);
        snprintf(out, size, "dns request=%llu domain=%.*s server=%s", a, text.size, text.at,
            bind.ip.family ? qe_addr_format(&bind, addr) : "-");
        break;
    default:
        text = get_text(r);
        snprintf(out, size, "%s %.*s",
            kind == QE_ACTION_ERASE    ? "erase"
            : kind == QE_ACTION_NOTIFY ? "notify"
                                       : "stopped",
            text.size, text.at);
    }
}

void qe_record_describe_action(struct qe_span body, char *out, size_t size)
{
    struct qe_reader r = qe_reader(body);
    enum qe_action_kind kind = (enum qe_action_kind)qe_record_get_max(&r, QE_ACTION_STOPPED);
    if (!r.failed && kind == QE_ACTION_SEND)
        describe_send(&r, out, size);
    else if (!r.failed && kind == QE_ACTION_DELIVER)
        describe_deliver(&r, out, size);
    else if (!r.failed && kind == QE_ACTION_TUN_OPEN)
        describe_tun_open(&r, out, size);
    else if (!r.failed && (kind == QE_ACTION_ADDRESSES || kind == QE_ACTION_ROUTES || kind == QE_ACTION_FORWARD))
        describe_prefixes(kind, &r, out, size);
    else if (!r.failed && kind == QE_ACTION_MAP_PORT)
        describe_map_port(&r, out, size);
    else if (!r.failed)
        describe_rest(kind, &r, out, size);
    if (r.failed || qe_reader_left(&r) > 0) snprintf(out, size, "no action");
}

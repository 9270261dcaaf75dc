// The commands that ask the DHT for somebody who waits at the control socket: DHT_LOOKUP, DHT_GET and DHT_PUT. Each is
// one operation; its last answer is the command's (docs/api.md).
#include "node/discovery_internal.h"
#include "node/report.h"

#include "base/utf8.h"

#include <stdio.h>

#define TEXT_MAX      950 // of a byte string to put
#define INQUIRIES_MAX 32  // at a time

enum inquiry_kind {
    INQUIRY_NODE,
    INQUIRY_NAME,
    INQUIRY_ADDRESS,
    INQUIRY_SUBNET,
    INQUIRY_TARGET,
    INQUIRY_GET,
    INQUIRY_PUT
};
static const char *const kind_names[] = {"node", "name", "address", "subnet", "target"};

struct cplane_inquiry {
    struct qe_list link;
    uint64_t command;
    enum inquiry_kind kind;
    struct qe_index_place place; // NAME, ADDRESS, SUBNET
    bool mutable;                // PUT
    int64_t seq;
    char text[]; // what was asked for
};

// The value of an optional parameter (" name=value" in the argument) into `out`, cut where it is longer; false where it
// is absent.
static bool option(const char *argument, const char *name, char *out, size_t size)
{
    size_t name_size = strlen(name);
    for (const char *at = strchr(argument, ' '); at; at = strchr(at, ' ')) {
        at++;
        if (strncmp(at, name, name_size) != 0 || at[name_size] != '=') continue;
        size_t length = strcspn(at + name_size + 1, " ");
        if (length >= size) length = size - 1;
        memcpy(out, at + name_size + 1, length);
        out[length] = 0;
        return true;
    }
    return false;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// Hexadecimal digits up to a space or the end; the number of bytes, or -1.
static int read_hex(const char *text, uint8_t *out, size_t max)
{
    size_t size = 0;
    for (; *text && *text != ' '; text += 2) {
        if (digit(text[0]) < 0 || digit(text[1]) < 0 || size == max) return -1;
        out[size++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    }
    return (int)size;
}

static bool read_number(const char *text, int64_t *out)
{
    uint64_t value = 0;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_C(1) << 58)) return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = (int64_t)value;
    return value <= INT64_MAX;
}

static void string_if(struct qe_json *json, const char *key, bool known, const char *value)
{
    qe_json_key(json, key);
    if (known)
        qe_json_string(json, value);
    else
        qe_json_null(json);
}

static void write_effort(struct qe_json *json, const struct qe_dht_answer *a)
{
    number(json, "hops", a->hops);
    number(json, "queries", a->queries);
    number(json, "timeouts", a->timeouts);
    number(json, "elapsed_us", a->elapsed_us);
}

// One who has what was looked for.
struct owner {
    struct qe_node_id id;
    bool claims;
    uint64_t age_s;
    struct qe_node_record record; // as far as it is known
};

static void write_owner(struct qe_cplane *c, struct qe_json *json, const struct owner *owner)
{
    const struct cplane_peer *peer = cplane_peer_find(c, &owner->id);
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    bool self = qe_node_id_equal(&owner->id, &c->self);
    qe_json_object_begin(json);
    member(json, "node_id", qe_node_id_format(&owner->id, id));
    member(json, "name", self ? c->config->name : peer ? peer_name(peer) : "");
    number_if(json, "age_s", owner->claims, owner->age_s);
    qe_json_key(json, "addresses");
    qe_json_array_begin(json);
    for (size_t i = 0; i < owner->record.endpoint_count; i++)
        qe_json_string(json, qe_addr_format(&owner->record.endpoints[i].addr, text));
    for (size_t i = 0; owner->claims && peer && i < peer->session.candidate_count; i++)
        qe_json_string(json, qe_addr_format(&peer->session.candidates[i], text));
    qe_json_array_end(json);
    qe_json_key(json, "overlay_addresses");
    qe_json_array_begin(json);
    for (size_t i = 0; i < owner->record.address_count; i++)
        qe_json_string(json, qe_ip_format(&owner->record.addresses[i], text));
    for (size_t i = 0; owner->claims && peer && i < peer->address_count; i++)
        qe_json_string(json, qe_ip_format(&peer->addresses[i], text));
    qe_json_array_end(json);
    qe_json_object_end(json);
}

// Those who claim it, the one that counts first; how many.
static size_t read_owners(struct qe_cplane *c, const struct cplane_inquiry *q, const struct qe_dht_answer *a,
    struct qe_index_entry *entries, size_t max)
{
    uint8_t room[QE_DHT_RECORD_MAX];
    size_t count = 0;
    for (size_t i = 0; i < a->record_count && count < max; i++) {
        struct qe_index_entry entry;
        if (!qe_index_read(c->host, &q->place, &a->records[i], room, &entry)) continue;
        size_t at = count++;
        for (; at > 0 && qe_index_precedes(&entry, &entries[at - 1]); at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
    return count;
}

static size_t write_owners(
    struct qe_cplane *c, struct qe_json *json, const struct cplane_inquiry *q, const struct qe_dht_answer *a)
{
    struct qe_index_entry entries[16];
    struct owner owner = {.claims = q->kind != INQUIRY_NODE};
    size_t count = 0;
    if (q->kind == INQUIRY_NODE && a->item && a->item->mutable &&
        qe_node_record_decode(a->item->value, &a->item->key, c->host, &owner.record) == QE_NODE_RECORD_FINE) {
        owner.id = qe_node_id_from_key(&a->item->key);
        write_owner(c, json, &owner);
        return 1;
    }
    if (owner.claims) count = read_owners(c, q, a, entries, sizeof entries / sizeof entries[0]);
    for (size_t i = 0; i < count; i++) {
        owner.id = entries[i].id;
        owner.age_s = entries[i].age_s;
        write_owner(c, json, &owner);
    }
    return count;
}

static void write_closest(struct qe_json *json, const struct qe_dht_answer *a)
{
    char hex[2 * sizeof(struct qe_node_id) + 1], text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "closest");
    qe_json_array_begin(json);
    for (size_t i = 0; i < a->closest_count; i++) {
        qe_json_object_begin(json);
        member(json, "id", discovery_hex(a->closest[i].id.bytes, sizeof a->closest[i].id.bytes, hex));
        member(json, "address", qe_addr_format(&a->closest[i].addr, text));
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}

static void write_lookup(
    struct qe_cplane *c, struct qe_json *json, const struct cplane_inquiry *q, const struct qe_dht_answer *a)
{
    member(json, "target", q->text);
    member(json, "kind", kind_names[q->kind]);
    qe_json_key(json, "owners");
    qe_json_array_begin(json);
    size_t owners = write_owners(c, json, q, a);
    qe_json_array_end(json);
    flag(json, "found", owners > 0);
    write_closest(json, a);
}

// The text of a bencoded byte string that is printable; an empty span otherwise.
static struct qe_span printable(struct qe_span value)
{
    size_t at = 0, size = 0, step;
    while (at < value.size && at < 4 && value.data[at] >= '0' && value.data[at] <= '9')
        size = size * 10 + (size_t)(value.data[at++] - '0');
    if (at == 0 || at == value.size || value.data[at] != ':' || value.size - at - 1 != size)
        return qe_span(value.data, 0);
    struct qe_span text = {value.data + at + 1, size};
    for (size_t i = 0; i < size; i += step)
        if (!qe_utf8_next(text.data + i, size - i, &step) || text.data[i] < 0x20 || text.data[i] == 0x7f)
            return qe_span(value.data, 0);
    return text;
}

static void write_get(struct qe_json *json, const struct cplane_inquiry *q, const struct qe_dht_answer *a)
{
    const struct qe_dht_item *item = a->item;
    char hex[2 * QE_DHT_VALUE_MAX + 1], key[2 * sizeof(struct qe_key) + 1];
    struct qe_span text = item ? printable(item->value) : qe_span(NULL, 0);
    member(json, "target", q->text);
    flag(json, "found", item != NULL);
    string_if(json, "value", item != NULL, item ? discovery_hex(item->value.data, item->value.size, hex) : NULL);
    qe_json_key(json, "text");
    if (text.size)
        qe_json_text(json, text);
    else
        qe_json_null(json);
    bool mutable = item && item->mutable;
    flag(json, "mutable", mutable);
    string_if(json, "key", mutable, mutable ? discovery_hex(item->key.bytes, sizeof item->key.bytes, key) : NULL);
    number_if(json, "seq", mutable, mutable ? (uint64_t)item->seq : 0);
}

static void write_put(
    struct qe_cplane *c, struct qe_json *json, const struct cplane_inquiry *q, const struct qe_dht_answer *a)
{
    char hex[2 * sizeof(struct qe_node_id) + 1], key[2 * sizeof(struct qe_key) + 1];
    member(json, "target", discovery_hex(a->target.bytes, sizeof a->target.bytes, hex));
    flag(json, "mutable", q->mutable);
    string_if(json, "key", q->mutable, discovery_hex(c->host->identity.bytes, sizeof c->host->identity.bytes, key));
    number_if(json, "seq", q->mutable, (uint64_t)q->seq);
    number(json, "stored", a->stored);
    number_if(json, "refused_code", a->error_code != 0, (uint64_t)a->error_code);
    string_if(json, "refused", a->error_code != 0, a->error_text);
}

static void on_answered(struct qe_cplane *c, const struct qe_dht_answer *a, uint64_t user)
{
    struct cplane_inquiry *q = NULL;
    struct qe_json json;
    if (!a->final) return;
    for (struct qe_list *at = c->discovery->inquiries.next; at != &c->discovery->inquiries; at = at->next)
        if (qe_container(at, struct cplane_inquiry, link)->command == user)
            q = qe_container(at, struct cplane_inquiry, link);
    if (!q) return;
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    qe_json_object_begin(&json);
    if (q->kind == INQUIRY_GET)
        write_get(&json, q, a);
    else if (q->kind == INQUIRY_PUT)
        write_put(c, &json, q, a);
    else
        write_lookup(c, &json, q, a);
    write_effort(&json, a);
    qe_json_object_end(&json);
    cplane_reply(c, q->command, 200, &json);
    qe_json_fini(&json);
    qe_list_remove(&q->link);
    c->discovery->inquiry_count--;
    qe_free(c->mem, q);
}

static struct cplane_inquiry *make(struct qe_cplane *c, const struct qe_command *command, size_t text_size)
{
    struct cplane_inquiry *q = NULL;
    if (c->discovery->inquiry_count < INQUIRIES_MAX) q = qe_zalloc(c->mem, 1, sizeof *q + text_size + 1);
    if (!q) {
        cplane_reply_error(c, command->id, 503, "too many commands are waiting");
        return NULL;
    }
    q->command = command->id;
    memcpy(q->text, command->argument, text_size);
    return q;
}

static void begin(struct qe_cplane *c, struct cplane_inquiry *q, const struct qe_dht_request *request)
{
    if (discovery_ask(c, request, on_answered, q->command) == 0) {
        cplane_reply_error(c, q->command, 503, "too many lookups are under way");
        qe_free(c->mem, q);
        return;
    }
    qe_list_append(&c->discovery->inquiries, &q->link);
    c->discovery->inquiry_count++;
}

// What a target's text is, and the request for it. NULL, or what is wrong.
static const char *understand(struct qe_cplane *c, struct cplane_inquiry *q, struct qe_dht_request *request)
{
    bool network = discovery_in_network(c);
    struct qe_cidr cidr;
    struct qe_ip ip;
    uint8_t key[18];
    request->kind = QE_DHT_INDEX_GET;
    bool located = true;
    if (qe_node_id_parse(q->text, &request->target)) {
        q->kind = INQUIRY_NODE;
        request->kind = QE_DHT_GET;
        return NULL;
    } else if (strlen(q->text) == 40 && read_hex(q->text, request->target.bytes, sizeof request->target.bytes) == 20) {
        q->kind = INQUIRY_TARGET;
        request->kind = QE_DHT_FIND_NODE;
        return NULL;
    } else if (qe_ip_parse(q->text, &ip)) {
        q->kind = INQUIRY_ADDRESS;
        located = qe_index_locate(c->host, network, QE_INDEX_ADDRESS, qe_span(ip.bytes, qe_ip_size(&ip)), &q->place);
    } else if (strchr(q->text, '/') && qe_cidr_parse(q->text, &cidr)) {
        q->kind = INQUIRY_SUBNET;
        located = qe_index_locate(
            c->host, network, QE_INDEX_SUBNET, qe_span(key, qe_index_subnet_key(&cidr, key)), &q->place);
    } else if (qe_name_valid(q->text)) {
        q->kind = INQUIRY_NAME;
        located = qe_index_locate(c->host, network, QE_INDEX_NAME, qe_span(q->text, strlen(q->text)), &q->place);
    } else {
        return "no node's ID, name, overlay address, network or target of 40 hexadecimal digits";
    }
    request->target = q->place.target;
    return located ? NULL : "the network's secret cannot be used";
}

void cplane_dht_lookup(struct qe_cplane *c, const struct qe_command *command)
{
    struct qe_dht_request request = {.kind = QE_DHT_FIND_NODE};
    struct cplane_inquiry *q = make(c, command, strcspn(command->argument, " "));
    if (!q) return;
    const struct qe_node_id *named = qe_config_find_name(c->config, q->text);
    const char *wrong = NULL;
    if (named) {
        q->kind = INQUIRY_NODE;
        request.kind = QE_DHT_GET;
        request.target = *named;
    } else {
        wrong = understand(c, q, &request);
    }
    if (!wrong) {
        begin(c, q, &request);
        return;
    }
    cplane_reply_error(c, command->id, 400, wrong);
    qe_free(c->mem, q);
}

// The salt given with a command: its size, 0 for none; -1 after an error.
static int read_salt(struct qe_cplane *c, const struct qe_command *command, uint8_t *salt)
{
    char hex[2 * QE_DHT_SALT_MAX + 3]; // one byte more than may be there, so that it is noticed
    int size = option(command->argument, "salt", hex, sizeof hex) ? read_hex(hex, salt, QE_DHT_SALT_MAX) : 0;
    if (size < 0) cplane_reply_error(c, command->id, 400, "the salt is not up to 64 bytes in hexadecimal digits");
    return size;
}

void cplane_dht_get(struct qe_cplane *c, const struct qe_command *command)
{
    uint8_t salt[QE_DHT_SALT_MAX];
    struct qe_dht_request request = {.kind = QE_DHT_GET};
    if (read_hex(command->argument, request.target.bytes, sizeof request.target.bytes) != 20) {
        cplane_reply_error(c, command->id, 400, "the target is not 40 hexadecimal digits");
        return;
    }
    int salt_size = read_salt(c, command, salt);
    struct cplane_inquiry *q = salt_size < 0 ? NULL : make(c, command, 40);
    if (!q) return;
    q->kind = INQUIRY_GET;
    request.salt = qe_span(salt, (size_t)salt_size);
    begin(c, q, &request);
}

// A number that may be given; false after an error.
static bool read_optional(
    struct qe_cplane *c, const struct qe_command *command, const char *name, bool *given, int64_t *out)
{
    char text[24];
    *given = option(command->argument, name, text, sizeof text);
    if (!*given || read_number(text, out)) return true;
    cplane_reply_error(c, command->id, 400, "seq and cas are numbers from 0 to 9223372036854775807");
    return false;
}

static bool sign(struct qe_cplane *c, struct qe_dht_item *item)
{
    uint8_t text[QE_DHT_SIGNED_MAX];
    size_t size = qe_dht_item_signed(item, text);
    return c->host->secret(c->host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, qe_span(text, size), item->signature,
               sizeof item->signature) == 0;
}

void cplane_dht_put(struct qe_cplane *c, const struct qe_command *command)
{
    uint8_t bytes[TEXT_MAX], value[TEXT_MAX + 8], salt[QE_DHT_SALT_MAX];
    bool has_seq;
    int size = read_hex(command->argument, bytes, sizeof bytes);
    if (size < 0) {
        cplane_reply_error(c, command->id, 400, "the value is not up to 950 bytes in hexadecimal digits");
        return;
    }
    struct qe_dht_item item = {.key = c->host->identity, .seq = (int64_t)c->wall_ms};
    struct qe_dht_request request = {.kind = QE_DHT_PUT, .item = &item};
    int salt_size = read_salt(c, command, salt);
    if (salt_size < 0 || !read_optional(c, command, "seq", &has_seq, &item.seq) ||
        !read_optional(c, command, "cas", &request.has_cas, &request.cas))
        return;
    int head = snprintf((char *)value, 8, "%d:", size);
    memcpy(value + head, bytes, (size_t)size);
    item.value = qe_span(value, (size_t)(head + size));
    item.salt = qe_span(salt, (size_t)salt_size);
    item.mutable = salt_size > 0;
    struct cplane_inquiry *q = make(c, command, 0);
    if (!q) return;
    q->kind = INQUIRY_PUT;
    q->mutable = item.mutable;
    q->seq = item.seq;
    if (item.mutable && !sign(c, &item)) {
        cplane_reply_error(c, command->id, 500, "the identity key cannot be used");
        qe_free(c->mem, q);
        return;
    }
    request.target = qe_dht_item_target(&item);
    begin(c, q, &request);
}

void discovery_inquiries_free(struct qe_cplane *c)
{
    while (!qe_list_empty(&c->discovery->inquiries)) {
        struct cplane_inquiry *q = qe_container(c->discovery->inquiries.next, struct cplane_inquiry, link);
        qe_list_remove(&q->link);
        qe_free(c->mem, q);
    }
}

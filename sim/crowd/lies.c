// Nodes that take part like any other, but answer what others ask in their own way. They answer pings, so that they
// stay in routing tables.
#include "crowd/internal.h"

#include "dht/krpc.h"

#include <string.h>

#define NODES      QE_DHT_K
#define SEQ_AHEAD  1000
#define NEAR_BITS  100 // that an invented ID shares with what is looked for
#define REPLY_SIZE 1400

// What a reply is made of; a message borrows it.
struct reply {
    struct qe_krpc message;
    uint8_t nodes[NODES * QE_KRPC_NODE4_SIZE];
    uint8_t value[QE_DHT_VALUE_MAX], record[QE_KRPC_RECORD_MAX + 8];
    struct qe_dht_item item;
    struct qe_dht_record made;
    uint8_t noise[64];
};

static void invent_near(
    struct sim_stream *chance, const struct qe_node_id *target, unsigned bits, struct qe_node_id *out)
{
    *out = *target;
    sim_random_fill(chance, out->bytes + bits / 8, sizeof(out->bytes) - bits / 8);
}

// Nodes that there are not, next to what is looked for: at addresses where nobody is, or at those of other liars; and
// other liars as they are.
static void invent_nodes(
    struct sim_crowd *crowd, const struct sim_member *m, const struct qe_node_id *target, struct reply *r)
{
    struct qe_dht_contact contacts[NODES];
    const struct sim_attack_count *attack = &crowd->attack_counts[m->attack];
    for (size_t i = 0; i < NODES; i++) {
        invent_near(&crowd->attack_chance, target, NEAR_BITS, &contacts[i].id);
        uint32_t index = attack->list[sim_random_below(&crowd->attack_chance, attack->count)];
        const struct sim_member *other = &crowd->members[index];
        struct sim_place nobody = {(uint32_t)(0x0B000000 + sim_random_below(&crowd->attack_chance, 1 << 24)), 6881};
        contacts[i].addr = sim_place_addr(i % 4 ? other->place : nobody);
        if (i % 2) contacts[i].id = other->id;
    }
    r->message.nodes = qe_span(r->nodes, qe_krpc_nodes_write(contacts, NODES, 4, r->nodes, sizeof(r->nodes)));
}

// Others of the cluster, which are all next to its target.
static void name_sybils(struct sim_crowd *crowd, const struct sim_member *m, struct reply *r)
{
    struct qe_dht_contact contacts[NODES];
    const struct sim_attack_count *attack = &crowd->attack_counts[m->attack];
    for (size_t i = 0; i < NODES; i++) {
        const struct sim_member *other =
            &crowd->members[attack->first + sim_random_below(&crowd->attack_chance, attack->count)];
        contacts[i] = (struct qe_dht_contact){other->id, sim_place_addr(other->place)};
    }
    r->message.nodes = qe_span(r->nodes, qe_krpc_nodes_write(contacts, NODES, 4, r->nodes, sizeof(r->nodes)));
}

static void give_item(struct reply *r)
{
    r->message.key = qe_span(r->item.key.bytes, sizeof(r->item.key.bytes));
    r->message.signature = qe_span(r->item.signature, sizeof(r->item.signature));
    r->message.has_seq = true;
    r->message.seq = r->item.seq;
    r->message.value = r->item.value;
}

static void give_record(struct reply *r)
{
    struct qe_writer w = qe_writer(r->record, sizeof(r->record));
    uint8_t bytes[QE_KRPC_RECORD_MAX];
    size_t size = qe_krpc_record_write(&r->made, bytes, sizeof(bytes));
    qe_bencode_write_string(&w, qe_span(bytes, size));
    r->message.records = qe_span(r->record, qe_writer_size(&w));
    r->message.has_records = true;
    if (r->made.certified) r->message.authority = qe_span(r->made.authority.bytes, sizeof(r->made.authority.bytes));
}

// The item in version `seq`, its signature as it should be or not; false where the target is none of ours.
static bool give_version(struct sim_crowd *crowd, const struct qe_krpc *query, bool old, struct reply *r)
{
    uint32_t index = query->has_target ? sim_items_find(crowd, &query->target) : SIM_NOBODY;
    if (index == SIM_NOBODY) return false;
    const struct sim_item *item = &crowd->items[index];
    unsigned kind = crowd->plan->items[item->table].kind;
    uint64_t seq = old ? 1 : item->seq + SEQ_AHEAD;
    if (query->method == QE_KRPC_GET && kind == SIM_ITEM_MUTABLE) {
        sim_items_make(crowd, index, seq, &r->item, r->value);
        if (!old) sim_random_fill(&crowd->attack_chance, r->item.signature, sizeof(r->item.signature));
        give_item(r);
    } else if (query->method == QE_KRPC_GET && kind == SIM_ITEM_IMMUTABLE && !old) {
        memcpy(r->value, "9:forgeries", 11);
        r->message.value = qe_span(r->value, 11);
    } else if (query->method == QE_KRPC_INDEX_GET && (kind == SIM_ITEM_INDEX || kind == SIM_ITEM_OPEN)) {
        sim_items_record(crowd, index, seq, &r->made, r->value);
        if (!old) sim_random_fill(&crowd->attack_chance, r->made.signature, sizeof(r->made.signature));
        give_record(r);
    } else {
        return false;
    }
    return true;
}

static bool is_store(enum qe_krpc_method method)
{
    return method == QE_KRPC_PUT || method == QE_KRPC_INDEX_PUT || method == QE_KRPC_ANNOUNCE_PEER;
}

static void post_reply(
    struct sim_crowd *crowd, struct sim_member *m, const struct sim_letter *letter, const struct qe_krpc *message)
{
    uint8_t bytes[REPLY_SIZE];
    struct sim_attack_count *count = &crowd->attack_counts[m->attack];
    size_t size = qe_krpc_write(message, bytes, sizeof(bytes));
    if (size == 0) return;
    count->sent++;
    count->sent_bytes += size + SIM_IP_UDP_BYTES;
    sim_post_send(crowd, m->place, letter->from, bytes, size, (enum sim_about)letter->about);
}

static unsigned lie_of(const struct sim_crowd_attack *plan, uint32_t index)
{
    unsigned bits[8], count = 0;
    for (unsigned bit = 1; bit <= SIM_LIE_OLD; bit <<= 1)
        if (plan->lies & bit) bits[count++] = bit;
    return bits[index % count];
}

bool sim_lie(struct sim_crowd *crowd, uint32_t index, const struct sim_letter *letter)
{
    struct sim_member *m = &crowd->members[index];
    const struct sim_crowd_attack *plan = &crowd->plan->attacks[m->attack];
    struct qe_krpc query;
    if (!sim_about_is_query(letter->bytes, letter->size) || letter->about == SIM_ABOUT_PING) return false;
    if (crowd->now_ns < plan->from_ns || crowd->now_ns >= plan->until_ns) return false;
    if (!qe_krpc_read(qe_span(letter->bytes, letter->size), &query)) return true;
    unsigned lie = m->role == SIM_ROLE_SYBIL ? 0 : lie_of(plan, index);
    if (lie == SIM_LIE_SILENCE) return true;
    struct reply r = {.message = {.type = QE_KRPC_REPLY,
                          .transaction = query.transaction,
                          .version = qe_span("QE01", 4),
                          .id = m->id,
                          .has_id = true,
                          .has_ip = true,
                          .ip = sim_place_addr(letter->from)}};
    if (is_store(query.method)) {
        r.message.has_age = query.method == QE_KRPC_INDEX_PUT; // thanks, and forgets it
    } else {
        sim_random_fill(&crowd->attack_chance, r.noise, sizeof(r.noise));
        if (query.method != QE_KRPC_FIND_NODE) r.message.token = qe_span(r.noise, 8);
        if (m->role == SIM_ROLE_SYBIL)
            name_sybils(crowd, m, &r);
        else if (lie == SIM_LIE_NODES || !give_version(crowd, &query, lie == SIM_LIE_OLD, &r))
            invent_nodes(crowd, m, query.has_target ? &query.target : &query.id, &r);
    }
    post_reply(crowd, m, letter, &r.message);
    return true;
}

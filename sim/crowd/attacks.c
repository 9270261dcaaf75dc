// Attackers at work: who they are, and what they send. What liars and Sybils answer is in lies.c.
#include "crowd/internal.h"

#include "dht/krpc.h"

#include <string.h>

#define SYBILS_COME_NS (10 * QE_NS_PER_S) // in which a cluster comes up
#define APPOINT_TRIES  10000
#define NEAREST        16 // nodes that hold an item

// An honest node that owns nothing becomes an attacker's.
static void appoint(struct sim_crowd *crowd, uint32_t index, enum sim_role role, uint32_t table)
{
    struct sim_member *m = &crowd->members[index];
    struct sim_attack_count *count = &crowd->attack_counts[table];
    if (m->role != SIM_ROLE_HONEST) return;
    for (uint32_t i = 0; i < crowd->item_count; i++)
        if (crowd->items[i].owner == index) return;
    m->role = (uint8_t)role;
    m->attack = (uint8_t)table;
    count->list[count->count++] = index;
}

static void begin_liars(struct sim_crowd *crowd, uint32_t table)
{
    struct sim_attack_count *count = &crowd->attack_counts[table];
    count->list = sim_obtain(crowd->plan->nodes, sizeof(*count->list));
    for (uint32_t i = 0; i < crowd->plan->nodes; i++)
        if (sim_random_chance(&crowd->attack_chance, crowd->plan->attacks[table].share_ppb))
            appoint(crowd, i, SIM_ROLE_LIAR, table);
}

// Members that have an address of their own, for sockets and Sybils.
static void add_members(struct sim_crowd *crowd, uint32_t table, enum sim_role role, unsigned network)
{
    struct sim_attack_count *count = &crowd->attack_counts[table];
    struct sim_place place = sim_places_draw(&crowd->places);
    count->first = crowd->member_count;
    for (uint64_t i = 0; i < crowd->plan->attacks[table].count; i++) {
        uint32_t in = place.ip;
        if (i > 0 && !(network && sim_places_draw_in(&crowd->places, in, network, &place)))
            place = sim_places_draw(&crowd->places);
        uint32_t index = sim_member_add(crowd, role, place);
        crowd->members[index].attack = (uint8_t)table;
        count->count++;
    }
}

static void begin_flooders(struct sim_crowd *crowd, uint32_t table)
{
    struct sim_attack_count *count = &crowd->attack_counts[table];
    uint64_t nodes = crowd->plan->nodes, wanted = crowd->plan->attacks[table].count;
    count->list = sim_obtain(wanted, sizeof(*count->list));
    for (int i = 0; i < APPOINT_TRIES && count->count < wanted; i++)
        appoint(crowd, (uint32_t)sim_random_below(&crowd->attack_chance, nodes), SIM_ROLE_FLOODER, table);
}

void sim_attacks_begin(struct sim_crowd *crowd)
{
    for (uint32_t t = 0; t < crowd->plan->attack_count; t++) {
        const struct sim_crowd_attack *plan = &crowd->plan->attacks[t];
        switch ((enum sim_attack_kind)plan->kind) {
        case SIM_ATTACK_LIARS:
            begin_liars(crowd, t);
            continue;
        case SIM_ATTACK_SYBILS:
            add_members(crowd, t, SIM_ROLE_SYBIL, (unsigned)plan->network);
            break;
        case SIM_ATTACK_FLOOD:
        case SIM_ATTACK_REPLAY:
            begin_flooders(crowd, t);
            break;
        case SIM_ATTACK_TOKENS:
        case SIM_ATTACK_REFLECTION:
            add_members(crowd, t, SIM_ROLE_RAW, 0);
            if (plan->kind == SIM_ATTACK_REFLECTION) crowd->members[crowd->member_count - 1].role = SIM_ROLE_VICTIM;
            break;
        }
        sim_crowd_schedule(crowd, plan->from_ns, SIM_EVENT_ATTACK, t);
    }
}

static uint32_t item_of(const struct sim_crowd *crowd, uint32_t table, uint64_t turn)
{
    size_t items = crowd->plan->attacks[table].items;
    uint32_t first = crowd->item_first[items], count = crowd->item_first[items + 1] - first;
    return first + (uint32_t)(turn % count);
}

static void next_sybil(struct sim_crowd *crowd, uint32_t table)
{
    const struct sim_crowd_attack *plan = &crowd->plan->attacks[table];
    struct sim_attack_count *count = &crowd->attack_counts[table];
    struct qe_node_id id = crowd->items[item_of(crowd, table, 0)].target;
    unsigned whole = (unsigned)plan->bits / 8, rest = (unsigned)plan->bits % 8;
    uint8_t kept = id.bytes[whole];
    sim_random_fill(&crowd->attack_chance, id.bytes + whole, sizeof(id.bytes) - whole);
    uint8_t mask = (uint8_t)(0xFF << (8 - rest));
    id.bytes[whole] = (uint8_t)((kept & mask) | (id.bytes[whole] & ~mask));
    sim_member_start(crowd, count->first + (uint32_t)count->turn, &id);
    if (++count->turn < count->count)
        sim_crowd_schedule(crowd, plan->from_ns + SYBILS_COME_NS * count->turn / count->count, SIM_EVENT_ATTACK, table);
}

// Whose turn it is; false where it cannot.
static bool find_flooder(const struct sim_crowd *crowd, uint32_t table, uint64_t turn, uint32_t *out)
{
    const struct sim_attack_count *count = &crowd->attack_counts[table];
    if (count->count == 0) return false;
    *out = count->list[turn % count->count];
    return crowd->members[*out].dht && crowd->members[*out].joined;
}

static void attacker_pair(struct sim_crowd *crowd, struct qe_key *key, uint8_t secret[crypto_sign_SECRETKEYBYTES])
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    sim_random_fill(&crowd->attack_chance, seed, sizeof(seed));
    crypto_sign_seed_keypair(key->bytes, secret, seed);
}

// A well-signed item or record of the attacker's own; what it floods with is always new.
static void flood(struct sim_crowd *crowd, uint32_t member, uint32_t index, struct sim_task task)
{
    const struct sim_crowd_items *table = &crowd->plan->items[crowd->items[index].table];
    struct qe_dht_request request = {.kind = QE_DHT_INDEX_PUT, .target = crowd->items[index].target};
    struct qe_dht_record record = {.seq = 1};
    struct qe_dht_item item = {.mutable = true, .seq = 1};
    uint8_t value[QE_DHT_VALUE_MAX] = "900:", text[QE_DHT_SIGNED_MAX], secret[crypto_sign_SECRETKEYBYTES];
    if (table->kind == SIM_ITEM_PEERS) {
        request.kind = QE_DHT_ANNOUNCE;
        request.port = (uint16_t)(1 + sim_random_below(&crowd->attack_chance, 65535));
    } else if (table->kind == SIM_ITEM_MUTABLE || table->kind == SIM_ITEM_IMMUTABLE) {
        attacker_pair(crowd, &item.key, secret);
        item.value = qe_span(value, 904);
        crypto_sign_detached(item.signature, NULL, text, qe_dht_item_signed(&item, text), secret);
        request.kind = QE_DHT_PUT;
        request.target = qe_dht_item_target(&item);
        request.item = &item;
    } else {
        attacker_pair(crowd, &record.owner, secret);
        record.value = qe_span(value, QE_DHT_RECORD_MAX);
        size_t size = qe_dht_record_signed(&record, &request.target, text);
        crypto_sign_detached(record.signature, NULL, text, size, secret);
        request.record = &record;
    }
    sim_task_start(crowd, member, &request, task);
}

static void replay(struct sim_crowd *crowd, uint32_t member, uint32_t index, struct sim_task task)
{
    struct qe_dht_item item;
    struct qe_dht_record record;
    uint8_t value[QE_DHT_VALUE_MAX];
    unsigned kind = crowd->plan->items[crowd->items[index].table].kind;
    if (crowd->items[index].stored_seq < 2) return;
    if (kind == SIM_ITEM_MUTABLE) {
        sim_items_make(crowd, index, 1, &item, value);
        sim_task_start(crowd, member,
            &(struct qe_dht_request){.kind = QE_DHT_PUT, .item = &item, .target = crowd->items[index].target}, task);
    } else if (kind == SIM_ITEM_INDEX || kind == SIM_ITEM_OPEN) {
        sim_items_record(crowd, index, 1, &record, value);
        sim_task_start(crowd, member,
            &(struct qe_dht_request){.kind = QE_DHT_INDEX_PUT, .record = &record, .target = crowd->items[index].target},
            task);
    }
}

static void post_query(
    struct sim_crowd *crowd, uint32_t table, struct sim_place from, uint32_t to, struct qe_krpc *query)
{
    struct sim_attack_count *count = &crowd->attack_counts[table];
    uint8_t bytes[QE_DHT_DATAGRAM_MAX], number[4];
    qe_store32(number, (uint32_t)count->turn);
    query->transaction = qe_span(number, sizeof(number));
    query->type = QE_KRPC_QUERY;
    query->has_id = true;
    sim_random_fill(&crowd->attack_chance, query->id.bytes, sizeof(query->id.bytes));
    size_t size = qe_krpc_write(query, bytes, sizeof(bytes));
    count->sent++;
    count->sent_bytes += size + SIM_IP_UDP_BYTES;
    sim_post_send(crowd, from, crowd->members[to].place, bytes, size, sim_about_query(bytes, size));
}

static void put_of(struct sim_crowd *crowd, uint32_t index, uint8_t value[QE_DHT_VALUE_MAX], struct qe_dht_item *item,
    struct qe_krpc *query)
{
    sim_items_make(crowd, index, crowd->items[index].seq + 1, item, value);
    query->method = QE_KRPC_PUT;
    query->value = item->value;
    if (!item->mutable) return;
    query->key = qe_span(item->key.bytes, sizeof(item->key.bytes));
    query->signature = qe_span(item->signature, sizeof(item->signature));
    query->has_seq = true;
    query->seq = item->seq;
}

// Stores without having asked for a token, as if for the owner: eight random bytes stand in for the token.
static void guess_token(struct sim_crowd *crowd, uint32_t table, uint64_t turn)
{
    const struct sim_attack_count *count = &crowd->attack_counts[table];
    uint32_t index = item_of(crowd, table, turn / 2);
    uint32_t to = (uint32_t)sim_random_below(&crowd->attack_chance, crowd->plan->nodes);
    unsigned kind = crowd->plan->items[crowd->items[index].table].kind;
    uint8_t token[8], value[QE_DHT_VALUE_MAX], bytes[QE_KRPC_RECORD_MAX];
    struct qe_dht_item item;
    struct qe_dht_record record;
    struct qe_krpc query = {
        .method = QE_KRPC_ANNOUNCE_PEER, .port = 6881, .token = qe_span(token, sizeof(token)), .has_target = true};
    sim_random_fill(&crowd->attack_chance, token, sizeof(token));
    if (turn % 2 && (kind == SIM_ITEM_MUTABLE || kind == SIM_ITEM_IMMUTABLE)) {
        put_of(crowd, index, value, &item, &query);
    } else if (turn % 2 && kind != SIM_ITEM_PEERS) {
        sim_items_record(crowd, index, crowd->items[index].seq + 1, &record, value);
        query.method = QE_KRPC_INDEX_PUT;
        query.record = qe_span(bytes, qe_krpc_record_write(&record, bytes, sizeof(bytes)));
        if (record.certified) query.authority = qe_span(record.authority.bytes, sizeof(record.authority.bytes));
    }
    query.target = crowd->items[index].target;
    post_query(crowd, table, crowd->members[count->first + turn % count->count].place, to, &query);
}

static bool is_nearer(const struct qe_node_id *target, const struct qe_node_id *a, const struct qe_node_id *b)
{
    for (size_t i = 0; i < sizeof(target->bytes); i++) {
        uint8_t x = a->bytes[i] ^ target->bytes[i], y = b->bytes[i] ^ target->bytes[i];
        if (x != y) return x < y;
    }
    return false;
}

// Somewhere among the nodes closest to the target, which hold what is there.
static uint32_t draw_holder(struct sim_crowd *crowd, const struct qe_node_id *target)
{
    uint32_t nearest[NEAREST], count = 0;
    for (uint32_t i = 0; i < crowd->plan->nodes; i++) {
        const struct qe_node_id *id = &crowd->members[i].id;
        if (!crowd->members[i].dht) continue;
        if (count == NEAREST && !is_nearer(target, id, &crowd->members[nearest[NEAREST - 1]].id)) continue;
        uint32_t at = count < NEAREST ? count++ : NEAREST - 1;
        for (; at > 0 && is_nearer(target, id, &crowd->members[nearest[at - 1]].id); at--)
            nearest[at] = nearest[at - 1];
        nearest[at] = i;
    }
    return count ? nearest[sim_random_below(&crowd->attack_chance, count)] : 0;
}

// Small queries under the victim's address, whose answers are as large as can be: half of them to the nodes that hold
// something.
static void reflect(struct sim_crowd *crowd, uint32_t table, uint64_t turn)
{
    static const enum qe_krpc_method methods[] = {QE_KRPC_GET, QE_KRPC_FIND_NODE, QE_KRPC_INDEX_GET, QE_KRPC_GET_PEERS};
    const struct sim_attack_count *count = &crowd->attack_counts[table];
    const struct sim_item *item = &crowd->items[item_of(crowd, table, turn)];
    struct qe_krpc query = {.method = methods[turn / 2 % 4], .has_target = true, .target = item->target};
    uint32_t to = turn % 2 ? draw_holder(crowd, &item->target)
                           : (uint32_t)sim_random_below(&crowd->attack_chance, crowd->plan->nodes);
    post_query(crowd, table, crowd->members[count->first + count->count - 1].place, to, &query);
}

void sim_attacks_next(struct sim_crowd *crowd, uint32_t table)
{
    const struct sim_crowd_attack *plan = &crowd->plan->attacks[table];
    struct sim_attack_count *count = &crowd->attack_counts[table];
    uint64_t turn = count->turn;
    uint32_t member;
    if (plan->kind == SIM_ATTACK_SYBILS) {
        next_sybil(crowd, table);
        return;
    }
    struct sim_task task = {.kind = SIM_TASK_ATTACK, .table = table};
    uint32_t index = item_of(crowd, table, turn);
    count->turn++;
    if (plan->kind == SIM_ATTACK_TOKENS)
        guess_token(crowd, table, turn);
    else if (plan->kind == SIM_ATTACK_REFLECTION)
        reflect(crowd, table, turn);
    else if (crowd->items[index].seq && find_flooder(crowd, table, turn, &member))
        (plan->kind == SIM_ATTACK_FLOOD ? flood : replay)(crowd, member, index, task);
    uint64_t next_ns = plan->from_ns + (uint64_t)((unsigned __int128)QE_NS_PER_S * count->turn / plan->rate);
    if (next_ns < plan->until_ns) sim_crowd_schedule(crowd, next_ns, SIM_EVENT_ATTACK, table);
}

void sim_attacks_answer(struct sim_crowd *crowd, struct sim_task *task, const struct qe_dht_answer *answer)
{
    struct sim_attack_count *count = &crowd->attack_counts[task->table];
    if (!answer->final) return;
    count->sent += answer->queries;
    count->accepted += answer->stored;
    count->refused += answer->stored == 0;
}

void sim_attacks_receive(struct sim_crowd *crowd, uint32_t index, const struct sim_letter *letter)
{
    const struct sim_member *m = &crowd->members[index];
    struct sim_attack_count *count = &crowd->attack_counts[m->attack];
    struct qe_krpc message;
    if (m->role == SIM_ROLE_VICTIM) {
        count->received++;
        count->received_bytes += letter->size + SIM_IP_UDP_BYTES;
    } else if (qe_krpc_read(qe_span(letter->bytes, letter->size), &message)) {
        count->accepted += message.type == QE_KRPC_REPLY;
        count->refused += message.type == QE_KRPC_ERROR;
    }
}

// Full tables from the first moment: each node, by itself and before anything else happens, is told of the contacts
// that a full table has, and looks at its neighbourhood. It asks whom it is told of, as always; but what it asks is
// answered here, in the place of the node that it asks, after the time that the answer would take. Nobody else is
// disturbed, so a million tables are filled in minutes, and everything after that is between the nodes themselves.
#include "crowd/internal.h"

#include "dht/krpc.h"

#define PENDING_MAX 64
#define WINDOW      32 // of the sorted list, around a target: the closest are in it but for odd cases
#define FIRST       60 // contacts to begin with
#define AT_ONCE     12 // of those that follow; a node checks sixteen at a time

struct pending {
    uint64_t at_ns;
    struct sim_place from;
    size_t size;
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
};

struct filler {
    struct sim_crowd *crowd;
    struct sim_member *m;
    uint64_t now_ns;
    struct pending pending[PENDING_MAX];
    size_t count;
};

// What the node asked would answer, if it knew the target's neighbourhood. The first 64 bits of IDs decide: no two of a
// crowd have the same.
static size_t closest(
    const struct sim_crowd *crowd, const struct qe_node_id *target, struct qe_dht_contact out[QE_DHT_K])
{
    uint64_t wanted = qe_load64(target->bytes), distances[QE_DHT_K];
    uint32_t found[QE_DHT_K];
    size_t low = 0, high = crowd->plan->nodes, count = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crowd->sorted_tops[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    low = low > WINDOW / 2 ? low - WINDOW / 2 : 0;
    for (size_t i = low; i < low + WINDOW && i < crowd->plan->nodes; i++) {
        uint64_t distance = crowd->sorted_tops[i] ^ wanted;
        if (count == QE_DHT_K && distance >= distances[QE_DHT_K - 1]) continue;
        size_t at = count < QE_DHT_K ? count++ : QE_DHT_K - 1;
        for (; at > 0 && distance < distances[at - 1]; at--) {
            distances[at] = distances[at - 1];
            found[at] = found[at - 1];
        }
        distances[at] = distance;
        found[at] = crowd->sorted[i];
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (struct qe_dht_contact){crowd->members[found[i]].id, sim_place_addr(crowd->members[found[i]].place)};
    return count;
}

static void answer(struct filler *f, const uint8_t *bytes, const struct qe_dht_send *send)
{
    struct sim_place to = sim_place_of(&send->to);
    uint32_t who = sim_places_at(&f->crowd->places, to.ip);
    struct qe_krpc query;
    struct qe_dht_contact contacts[QE_DHT_K];
    uint8_t nodes[QE_DHT_K * QE_KRPC_NODE4_SIZE];
    if (who == SIM_NOBODY || f->count == PENDING_MAX || !qe_krpc_read(qe_span(bytes, send->size), &query)) return;
    struct qe_krpc reply = {.type = QE_KRPC_REPLY,
        .transaction = query.transaction,
        .version = qe_span(QE_KRPC_VERSION, 4),
        .has_id = true,
        .id = f->crowd->members[who].id,
        .has_ip = true,
        .ip = sim_place_addr(f->m->place)};
    if (query.has_target) {
        size_t count = closest(f->crowd, &query.target, contacts);
        reply.nodes = qe_span(nodes, qe_krpc_nodes_write(contacts, count, 4, nodes, sizeof(nodes)));
    }
    struct pending *pending = &f->pending[f->count++];
    pending->at_ns = f->now_ns + 2 * sim_places_delay_ns(&f->crowd->places, f->m->place.ip, to.ip);
    pending->from = to;
    pending->size = qe_krpc_write(&reply, pending->bytes, sizeof(pending->bytes));
}

static void collect(struct filler *f)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    while (qe_dht_next(f->m->dht, bytes, &send, f->now_ns))
        answer(f, bytes, &send);
}

static struct pending *first_pending(struct filler *f)
{
    struct pending *first = &f->pending[0];
    for (size_t i = 1; i < f->count; i++)
        if (f->pending[i].at_ns < first->at_ns) first = &f->pending[i];
    return first;
}

static uint64_t next_answer_ns(struct filler *f)
{
    return f->count > 0 ? first_pending(f)->at_ns : QE_TIME_NEVER;
}

// The first of the answers under way, of which there are some.
static void arrive(struct filler *f)
{
    struct pending *pending = first_pending(f);
    struct qe_addr from = sim_place_addr(pending->from);
    f->now_ns = pending->at_ns;
    qe_dht_receive(f->m->dht, 1, &from, qe_span(pending->bytes, pending->size), f->now_ns);
    *pending = f->pending[--f->count];
    collect(f);
}

// Whatever comes next, an answer or what the node itself has to do; false where that is later than `until_ns`.
static bool go_on(struct filler *f, uint64_t until_ns)
{
    uint64_t due_ns = qe_dht_deadline(f->m->dht), answer_ns = next_answer_ns(f);
    if (qe_time_min(due_ns, answer_ns) > until_ns) return false;
    if (answer_ns <= due_ns) {
        arrive(f);
        return true;
    }
    if (due_ns > f->now_ns) f->now_ns = due_ns;
    qe_dht_expire(f->m->dht, f->now_ns);
    collect(f);
    return true;
}

static void fill_one(struct filler *f)
{
    struct qe_dht_contact contacts[SIM_TOLD_MAX];
    size_t count = sim_population_contacts(f->crowd, f->m, contacts), next;
    for (next = 0; next < count && next < FIRST; next++)
        qe_dht_add_contact(f->m->dht, &contacts[next], f->now_ns);
    while (!qe_dht_joined(f->m->dht) && go_on(f, SIM_FILLED_NS))
        ;
    // What it has to do by itself waits until it has been told of all, so that it need not search for them.
    for (next = 0; next < count;) {
        for (size_t i = 0; i < AT_ONCE && next < count; i++)
            qe_dht_add_contact(f->m->dht, &contacts[next++], f->now_ns);
        collect(f);
        while (f->count > 0)
            arrive(f);
    }
    while (go_on(f, SIM_FILLED_NS))
        ;
}

void sim_fill(struct sim_crowd *crowd, uint32_t index)
{
    static struct filler f; // large; one at a time
    f.crowd = crowd;
    f.m = &crowd->members[index];
    f.now_ns = 0;
    f.count = 0;
    fill_one(&f);
    f.m->joined = qe_dht_joined(f.m->dht);
}

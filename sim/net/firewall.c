#include "net/firewall.h"

#include "base/bytes.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "base/time.h"
#include "engine/memory.h"
#include "engine/random.h"

#include <assert.h>
#include <string.h>

#define KEY_SIZE (2 * 19)

// Something that passed, and what may come back.
struct state {
    struct qe_timer timer; // may be earlier than the end, as in a NAT
    uint64_t end_ns;
    bool answered;
    uint8_t key[KEY_SIZE];
};

struct sim_firewall {
    const struct sim_firewall_settings *settings;
    struct qe_table *states;
    struct qe_heap ends;
};

struct sim_firewall *sim_firewall_new(const struct sim_firewall_settings *settings, uint64_t seed, const char *name)
{
    struct sim_firewall *firewall = sim_obtain(1, sizeof(*firewall));
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_FIREWALL, name, 0);
    uint8_t secret[16];
    sim_random_fill(&stream, secret, sizeof(secret));
    firewall->settings = settings;
    firewall->states = qe_table_new(sim_own_memory(), KEY_SIZE, settings->states_max, secret);
    qe_heap_init(&firewall->ends, sim_own_memory());
    return firewall;
}

const struct sim_firewall_settings *sim_firewall_settings(const struct sim_firewall *firewall)
{
    return firewall->settings;
}

static void forget(struct sim_firewall *firewall, struct state *state)
{
    qe_heap_set(&firewall->ends, &state->timer, QE_TIME_NEVER);
    qe_table_remove(firewall->states, state->key);
    sim_release(state);
}

void sim_firewall_reboot(struct sim_firewall *firewall)
{
    size_t cursor = 0;
    struct state *state;
    while ((state = qe_table_each(firewall->states, &cursor)))
        forget(firewall, state);
}

void sim_firewall_free(struct sim_firewall *firewall)
{
    if (!firewall) return;
    sim_firewall_reboot(firewall);
    qe_table_free(firewall->states);
    qe_heap_fini(&firewall->ends);
    sim_release(firewall);
}

static bool has(const uint16_t *ports, size_t count, uint16_t port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port) return true;
    return false;
}

bool sim_firewall_lets_out(const struct sim_firewall_settings *s, uint16_t remote_port)
{
    if (s->blocks_udp || s->blocks_outbound) return false;
    return !s->outbound_port_count || has(s->outbound_ports, s->outbound_port_count, remote_port);
}

bool sim_firewall_lets_in(const struct sim_firewall_settings *s, uint16_t inside_port)
{
    if (s->blocks_udp || s->inbound == SIM_FIREWALL_BLOCK) return false;
    return s->inbound == SIM_FIREWALL_ALLOW || has(s->inbound_ports, s->inbound_port_count, inside_port);
}

static void expire(struct sim_firewall *firewall, uint64_t now_ns)
{
    struct qe_timer *timer;
    while ((timer = qe_heap_pop(&firewall->ends, now_ns))) {
        struct state *state = qe_container(timer, struct state, timer);
        if (state->end_ns > now_ns)
            qe_heap_set(&firewall->ends, timer, state->end_ns);
        else
            forget(firewall, state);
    }
}

static void write_ip(uint8_t *at, const struct qe_ip *ip)
{
    at[0] = ip->family;
    memcpy(at + 1, ip->bytes, 16);
}

static void write_key(const struct sim_firewall *firewall, const struct qe_addr *inside, const struct qe_addr *remote,
    uint8_t key[KEY_SIZE])
{
    memset(key, 0, KEY_SIZE);
    write_ip(key, &inside->ip);
    qe_store16(key + 17, inside->port);
    if (firewall->settings->filtering == SIM_ENDPOINT_INDEPENDENT) return;
    write_ip(key + 19, &remote->ip);
    if (firewall->settings->filtering == SIM_ADDRESS_AND_PORT_DEPENDENT) qe_store16(key + 36, remote->port);
}

static struct state *find(
    struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside, const struct qe_addr *remote)
{
    uint8_t key[KEY_SIZE];
    expire(firewall, now_ns);
    write_key(firewall, inside, remote, key);
    return qe_table_get(firewall->states, key);
}

static void refresh(struct sim_firewall *firewall, uint64_t now_ns, struct state *state)
{
    const struct sim_firewall_settings *s = firewall->settings;
    uint64_t timeout_ns = state->answered ? s->timeout_ns : s->unanswered_ns;
    state->end_ns = timeout_ns > QE_TIME_NEVER - now_ns ? QE_TIME_NEVER : now_ns + timeout_ns;
    if (state->timer.at_ns > state->end_ns) qe_heap_set(&firewall->ends, &state->timer, state->end_ns);
}

static bool make(
    struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside, const struct qe_addr *remote)
{
    if (qe_table_count(firewall->states) >= firewall->settings->states_max) return false;
    struct state *state = sim_obtain(1, sizeof(*state));
    int reserved = qe_heap_reserve(&firewall->ends, firewall->ends.count + 1);
    write_key(firewall, inside, remote, state->key);
    qe_timer_init(&state->timer);
    int put = qe_table_put(firewall->states, state->key, state);
    assert(reserved == 0 && put == 0);
    refresh(firewall, now_ns, state);
    return true;
}

bool sim_firewall_outbound(struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside,
    const struct qe_addr *remote, enum sim_drop *why)
{
    const struct sim_firewall_settings *s = firewall->settings;
    *why = SIM_DROP_FIREWALL;
    if (s->blocks_udp) return false;
    struct state *state = find(firewall, now_ns, inside, remote);
    if (state) {
        if (s->refresh != SIM_REFRESH_INBOUND) refresh(firewall, now_ns, state);
        return true;
    }
    if (!sim_firewall_lets_out(s, remote->port)) return false;
    *why = SIM_DROP_EXHAUSTED;
    return make(firewall, now_ns, inside, remote);
}

bool sim_firewall_inbound(struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside,
    const struct qe_addr *remote, enum sim_drop *why)
{
    const struct sim_firewall_settings *s = firewall->settings;
    *why = SIM_DROP_FIREWALL;
    if (s->blocks_udp || s->inbound == SIM_FIREWALL_BLOCK) return false;
    struct state *state = find(firewall, now_ns, inside, remote);
    if (!state && sim_firewall_lets_in(s, inside->port)) {
        // Remembered only where the answer would not be let out by itself.
        *why = SIM_DROP_EXHAUSTED;
        return sim_firewall_lets_out(s, remote->port) || make(firewall, now_ns, inside, remote);
    }
    if (!state) return false;
    state->answered = true;
    if (s->refresh != SIM_REFRESH_OUTBOUND) refresh(firewall, now_ns, state);
    return true;
}

bool sim_firewall_knows(
    struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside, const struct qe_addr *remote)
{
    return find(firewall, now_ns, inside, remote) != NULL;
}

// One node: its memory, its randomness, what it is given and what it sends.
#include "crowd/internal.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What stands before each block of a node's memory.
union head {
    size_t size;
    max_align_t align;
};

static void count(struct sim_member *m, size_t more, size_t less)
{
    m->memory_bytes = (uint32_t)(m->memory_bytes + more - less);
    if (m->memory_bytes > m->memory_peak) m->memory_peak = m->memory_bytes;
}

static void *member_realloc(void *user, void *old, size_t size)
{
    union head *head = old ? (union head *)old - 1 : NULL;
    size_t before = head ? head->size : 0;
    if (size > SIM_BLOCK_MAX) return NULL;
    head = sim_resize(head, sizeof(*head) + size, 1);
    head->size = size;
    count(user, size, before);
    return head + 1;
}

static void *member_alloc(void *user, size_t size)
{
    return member_realloc(user, NULL, size);
}

static void member_free(void *user, void *ptr)
{
    if (!ptr) return;
    union head *head = (union head *)ptr - 1;
    count(user, 0, head->size);
    sim_release(head);
}

static void member_random(void *user, uint8_t *out, size_t size)
{
    struct sim_member *m = user;
    sim_random_fill(&m->chance, out, size);
}

uint32_t sim_member_add(struct sim_crowd *crowd, enum sim_role role, struct sim_place place)
{
    uint32_t index = crowd->member_count++;
    crowd->members[index] = (struct sim_member){.crowd = crowd,
        .role = (uint8_t)role,
        .place = place,
        .task = SIM_NO_TASK,
        .wake_ns = QE_TIME_NEVER,
        .other_side = sim_random_below(&crowd->work_chance, 2)};
    sim_places_enter(&crowd->places, place.ip, index);
    return index;
}

static bool has_node(const struct sim_member *m)
{
    return m->role != SIM_ROLE_RAW && m->role != SIM_ROLE_VICTIM;
}

void sim_member_start(struct sim_crowd *crowd, uint32_t index, const struct qe_node_id *id)
{
    struct sim_member *m = &crowd->members[index];
    char name[24];
    if (m->dht || !has_node(m)) return;
    snprintf(name, sizeof(name), "%" PRIu32, index);
    m->chance = sim_stream(crowd->seed, SIM_STREAM_CROWD_NODE, name, m->life);
    if (id)
        m->id = *id;
    else
        sim_random_fill(&m->chance, m->id.bytes, sizeof(m->id.bytes));
    m->mem = (struct qe_mem){m, member_alloc, member_realloc, member_free};
    m->born_ns = crowd->now_ns;
    m->joined = false;
    m->memory_bytes = m->memory_peak = 0;
    struct qe_dht_options options = {.mem = &m->mem,
        .id = m->id,
        .user = m,
        .random = member_random,
        .answer = sim_task_answer,
        .bootstrap = m->role == SIM_ROLE_BOOTSTRAP,
        .mainline = crowd->plan->mainline,
        .exempt_private = !crowd->plan->mainline};
    if (qe_dht_new(&m->dht, &options, crowd->now_ns) != 0) {
        fputs("quicether-sim: a node of the DHT cannot be created\n", stderr);
        abort();
    }
    crowd->living++;
    sim_population_bootstrap(crowd, index);
    if (crowd->plan->begin == SIM_BEGIN_JOIN || crowd->now_ns > 0) sim_member_settle(crowd, index);
}

static void note_counters(struct sim_crowd *crowd, struct sim_member *m)
{
    struct qe_dht_stats stats;
    qe_dht_stats(m->dht, &stats);
    crowd->malformed += stats.dropped_malformed;
    crowd->limited += stats.dropped_limit;
    if (m->memory_peak > crowd->memory_peak) crowd->memory_peak = m->memory_peak;
}

void sim_member_stop(struct sim_crowd *crowd, uint32_t index)
{
    struct sim_member *m = &crowd->members[index];
    if (!m->dht) return;
    note_counters(crowd, m);
    qe_dht_free(m->dht);
    m->dht = NULL;
    m->joined = false;
    m->wake_ns = QE_TIME_NEVER;
    crowd->living--;
    if (m->memory_bytes == 0) return;
    fprintf(stderr, "quicether-sim: a node of the DHT has left %" PRIu32 " bytes behind\n", m->memory_bytes);
    abort();
}

static void send_one(
    struct sim_crowd *crowd, struct sim_member *m, const uint8_t *bytes, const struct qe_dht_send *send)
{
    enum sim_about about =
        sim_about_is_query(bytes, send->size) ? sim_about_query(bytes, send->size) : (enum sim_about)crowd->handling;
    m->sent++;
    m->sent_bytes += send->size + SIM_IP_UDP_BYTES;
    if (crowd->idle) m->idle_sent += (uint32_t)send->size + SIM_IP_UDP_BYTES;
    sim_post_send(crowd, m->place, sim_place_of(&send->to), bytes, send->size, about);
}

void sim_member_settle(struct sim_crowd *crowd, uint32_t index)
{
    struct sim_member *m = &crowd->members[index];
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    while (qe_dht_next(m->dht, bytes, &send, crowd->now_ns))
        send_one(crowd, m, bytes, &send);
    if (!m->joined && qe_dht_joined(m->dht)) {
        m->joined = true;
        if (m->role == SIM_ROLE_HONEST) sim_samples_add(&crowd->joins, crowd->now_ns - m->born_ns);
    }
    // An event that is scheduled earlier than needed only looks again; one that is later is left behind, and does
    // nothing when it comes.
    uint64_t wake_ns = qe_dht_deadline(m->dht);
    if (wake_ns >= m->wake_ns || wake_ns == QE_TIME_NEVER) return;
    m->wake_ns = wake_ns > crowd->now_ns ? wake_ns : crowd->now_ns;
    sim_crowd_schedule(crowd, m->wake_ns, SIM_EVENT_WAKE, index);
}

void sim_member_wake(struct sim_crowd *crowd, uint32_t index)
{
    struct sim_member *m = &crowd->members[index];
    if (!m->dht || m->wake_ns != crowd->now_ns) return;
    m->wake_ns = QE_TIME_NEVER;
    crowd->handling = SIM_ABOUT_OTHER;
    if (qe_dht_deadline(m->dht) <= crowd->now_ns) qe_dht_expire(m->dht, crowd->now_ns);
    sim_member_settle(crowd, index);
}

void sim_member_receive(struct sim_crowd *crowd, uint32_t index, const struct sim_letter *letter)
{
    struct sim_member *m = &crowd->members[index];
    if (!has_node(m)) {
        sim_attacks_receive(crowd, index, letter);
        return;
    }
    if (!m->dht) {
        crowd->nobody++;
        return;
    }
    if (crowd->idle) m->idle_received += letter->size + (uint32_t)SIM_IP_UDP_BYTES;
    if ((m->role == SIM_ROLE_LIAR || m->role == SIM_ROLE_SYBIL) && sim_lie(crowd, index, letter)) return;
    struct qe_addr from = sim_place_addr(letter->from);
    crowd->handling = letter->about;
    qe_dht_receive(m->dht, 1, &from, qe_span(letter->bytes, letter->size), crowd->now_ns);
    sim_member_settle(crowd, index);
    crowd->handling = SIM_ABOUT_OTHER;
}

bool sim_member_usable(const struct sim_crowd *crowd, uint32_t index)
{
    const struct sim_member *m = &crowd->members[index];
    return m->dht && m->joined && (m->role == SIM_ROLE_HONEST || m->role == SIM_ROLE_BOOTSTRAP);
}

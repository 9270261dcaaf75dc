// What a run has come to when it ends: every node is asked, every table's figures are made.
#include "crowd/internal.h"

#define NODES_LISTED 4096

struct sums {
    uint64_t nodes, joined, table, good, dead, listed;
    uint64_t memory, memory_max, stored, stored_max, malformed, limited;
};

// How many entries of the routing table lead to nobody; replacements are not entries.
static void count_dead(
    const struct sim_crowd *crowd, const struct sim_member *m, struct qe_dht_node_info *list, struct sums *sums)
{
    size_t count = qe_dht_nodes(m->dht, list, NODES_LISTED);
    for (size_t i = 0; i < count && i < NODES_LISTED; i++) {
        struct sim_place place = sim_place_of(&list[i].contact.addr);
        uint32_t who = sim_places_at(&crowd->places, place.ip);
        if (list[i].replacement) continue;
        sums->listed++;
        if (who == SIM_NOBODY || !crowd->members[who].dht || crowd->members[who].place.port != place.port ||
            !qe_node_id_equal(&crowd->members[who].id, &list[i].contact.id))
            sums->dead++;
    }
}

static void ask(struct sim_crowd *crowd, struct sim_member *m, struct qe_dht_node_info *list, struct sums *sums)
{
    struct qe_dht_stats stats;
    qe_dht_stats(m->dht, &stats);
    sums->malformed += stats.dropped_malformed;
    sums->limited += stats.dropped_limit;
    if (m->role > SIM_ROLE_LIAR) return;
    sums->nodes++;
    sums->joined += m->joined;
    sums->table += stats.nodes;
    sums->good += stats.good_nodes;
    sums->memory += m->memory_bytes;
    sums->stored += stats.stored_bytes;
    if (m->memory_bytes > sums->memory_max) sums->memory_max = m->memory_bytes;
    if (stats.stored_bytes > sums->stored_max) sums->stored_max = stats.stored_bytes;
    if (m->memory_peak > crowd->memory_peak) crowd->memory_peak = m->memory_peak;
    count_dead(crowd, m, list, sums);
}

static uint64_t share(uint64_t part, uint64_t whole)
{
    return whole ? (uint64_t)((unsigned __int128)part * 1000000000 / whole) : 0;
}

static uint64_t ratio(uint64_t sum, uint64_t count, uint64_t scale)
{
    return count ? (uint64_t)((unsigned __int128)sum * scale / count) : 0;
}

static void nodes_figures(struct sim_crowd *crowd, struct sim_crowd_figures *out)
{
    struct sums sums = {.malformed = crowd->malformed, .limited = crowd->limited};
    struct qe_dht_node_info *list = sim_obtain(NODES_LISTED, sizeof(*list));
    for (uint32_t i = 0; i < crowd->member_count; i++)
        if (crowd->members[i].dht) ask(crowd, &crowd->members[i], list, &sums);
    sim_release(list);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_NODES, sums.nodes);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_JOINED, share(sums.joined, sums.nodes));
    if (crowd->joins.count) {
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_JOIN_P50, sim_samples_at(&crowd->joins, 500));
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_JOIN_P99, sim_samples_at(&crowd->joins, 990));
    }
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_BORN, crowd->born);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_TABLE, ratio(sums.table, sums.nodes, 1000));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_TABLE_GOOD, ratio(sums.good, sums.nodes, 1000));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_TABLE_DEAD, share(sums.dead, sums.listed));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_MEMORY, ratio(sums.memory, sums.nodes, 1));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_MEMORY_MAX, sums.memory_max);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_MEMORY_PEAK, crowd->memory_peak);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_STORED_BYTES, ratio(sums.stored, sums.nodes, 1));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_STORED_BYTES_MAX, sums.stored_max);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_MALFORMED, sums.malformed);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_LIMITED, sums.limited);
}

static void traffic_figures(struct sim_crowd *crowd, struct sim_crowd_figures *out)
{
    if (crowd->idles.count) {
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_MEMORY_IDLE, sim_samples_mean(&crowd->idle_memory));
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_MEMORY_IDLE_MAX, sim_samples_at(&crowd->idle_memory, 1000));
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_IDLE, sim_samples_mean(&crowd->idles));
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_IDLE_SENT, crowd->idle_sent_bytes / crowd->idles.count);
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_IDLE_P99, sim_samples_at(&crowd->idles, 990));
        sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_IDLE_MAX, sim_samples_at(&crowd->idles, 1000));
    }
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_DATAGRAMS, crowd->sent);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_DATAGRAMS_A_NODE, ratio(crowd->sent, crowd->plan->nodes, 1000));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_TRAFFIC, crowd->sent_bytes);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_TRAFFIC_A_NODE, ratio(crowd->sent_bytes, crowd->plan->nodes, 1));
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_DROPPED_LOSS, crowd->lost);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_DROPPED_NOBODY, crowd->nobody);
    sim_crowd_figures_add(out, NULL, SIM_CROWD_FIGURE_DROPPED_PARTITION, crowd->parted);
}

static void attack_figures(
    const struct sim_crowd_attack *plan, const struct sim_attack_count *count, struct sim_crowd_figures *out)
{
    sim_crowd_figures_add(out, plan->name, SIM_CROWD_FIGURE_ATTACK_DATAGRAMS, count->sent);
    if (count->sent_bytes) sim_crowd_figures_add(out, plan->name, SIM_CROWD_FIGURE_ATTACK_BYTES, count->sent_bytes);
    if (plan->kind == SIM_ATTACK_REFLECTION) {
        sim_crowd_figures_add(out, plan->name, SIM_CROWD_FIGURE_VICTIM_DATAGRAMS, count->received);
        sim_crowd_figures_add(out, plan->name, SIM_CROWD_FIGURE_VICTIM_BYTES, count->received_bytes);
        sim_crowd_figures_add(
            out, plan->name, SIM_CROWD_FIGURE_AMPLIFICATION, ratio(count->received_bytes, count->sent_bytes, 1000));
    } else if (plan->kind != SIM_ATTACK_LIARS && plan->kind != SIM_ATTACK_SYBILS) {
        sim_crowd_figures_add(out, plan->name, SIM_CROWD_FIGURE_ACCEPTED, count->accepted);
        sim_crowd_figures_add(out, plan->name, SIM_CROWD_FIGURE_REFUSED, count->refused);
    }
}

// Mean size of the datagrams of two kinds together.
static uint64_t mean_size(const struct sim_crowd *crowd, enum sim_about a, enum sim_about b)
{
    uint64_t count = crowd->about_sent[a] + (a == b ? 0 : crowd->about_sent[b]);
    return ratio(crowd->about_bytes[a] + (a == b ? 0 : crowd->about_bytes[b]), count, 1);
}

static const struct {
    enum sim_about get, put;
} abouts[] = {[SIM_ITEM_MUTABLE] = {SIM_ABOUT_GET, SIM_ABOUT_PUT},
    [SIM_ITEM_IMMUTABLE] = {SIM_ABOUT_GET, SIM_ABOUT_PUT},
    [SIM_ITEM_INDEX] = {SIM_ABOUT_INDEX_GET, SIM_ABOUT_INDEX_PUT},
    [SIM_ITEM_OPEN] = {SIM_ABOUT_INDEX_GET, SIM_ABOUT_INDEX_PUT},
    [SIM_ITEM_PEERS] = {SIM_ABOUT_GET_PEERS, SIM_ABOUT_ANNOUNCE}};

static void size_tallies(struct sim_crowd *crowd)
{
    const struct sim_crowd_plan *plan = crowd->plan;
    for (size_t i = 0; i < plan->item_count; i++) {
        unsigned kind = plan->items[i].kind;
        crowd->puts[i].datagram_bytes = mean_size(crowd, abouts[kind].get, abouts[kind].put);
    }
    for (size_t i = 0; i < plan->lookup_count; i++) {
        const struct sim_crowd_lookups *table = &plan->lookups[i];
        enum sim_about about = SIM_ABOUT_FIND_NODE;
        if (table->kind == SIM_LOOKUP_ITEM) about = abouts[plan->items[table->items].kind].get;
        crowd->lookups[i].datagram_bytes = mean_size(crowd, about, about);
    }
}

void sim_census(struct sim_crowd *crowd, struct sim_crowd_figures *out)
{
    const struct sim_crowd_plan *plan = crowd->plan;
    nodes_figures(crowd, out);
    traffic_figures(crowd, out);
    size_tallies(crowd);
    for (size_t i = 0; i < plan->item_count; i++)
        sim_tally_figures(&crowd->puts[i], plan->items[i].name, plan->items[i].from_ns, false, out);
    for (size_t i = 0; i < plan->lookup_count; i++)
        sim_tally_figures(&crowd->lookups[i], plan->lookups[i].name, plan->lookups[i].from_ns, true, out);
    for (size_t i = 0; i < plan->attack_count; i++)
        attack_figures(&plan->attacks[i], &crowd->attack_counts[i], out);
}

#include "probe.h"

#include "engine/memory.h"
#include "net/middlebox.h"
#include "net/topology.h"

#include <stdio.h>
#include <string.h>

#define BOXES_MAX 1100
#define LINKS_MAX 16
#define TEXT_SIZE (1 << 20)

static struct sim_engine engine;
static struct sim_trace trace;
static struct sim_network network;
static struct sim_scenario *scenario;
static struct sim_hosts hosts;
static struct sim_host *list[BOXES_MAX];
static struct sim_link links[LINKS_MAX];
static struct probe_seen seen;

static void deliver(struct sim_box *box, struct sim_packet *packet)
{
    seen.box = box->name;
    seen.source = packet->source;
    seen.destination = packet->destination;
    seen.size = packet->size;
    memcpy(seen.bytes, packet->bytes, packet->size);
    network.received++;
    sim_packet_free(&network.pool, packet);
}

void probe_build(const char *text)
{
    char error[SIM_ERROR_SIZE] = "";
    char *whole = sim_obtain(1, TEXT_SIZE);
    snprintf(whole, TEXT_SIZE, "[scenario]\nname = \"probe\"\nduration = \"1s\"\n%s", text);
    scenario = sim_scenario_parse("probe.toml", whole, strlen(whole), error);
    sim_release(whole);
    if (error[0]) fprintf(stderr, "%s\n", error);
    CU_ASSERT_STRING_EQUAL_FATAL(error, "");
    CU_ASSERT_FATAL(scenario->host_count <= BOXES_MAX && scenario->link_count <= LINKS_MAX);
    sim_engine_init(&engine);
    sim_trace_init(&trace, &engine.now_ns, NULL);
    sim_network_init(&network, &engine, &trace, 1, deliver);
    sim_hosts_init(&hosts, &engine, &network, &trace, NULL, 1, 0);
    for (size_t i = 0; i < scenario->host_count; i++) {
        list[i] = sim_obtain(1, sizeof(*list[i]));
        sim_host_init(list[i], &hosts, scenario->hosts[i].name, (uint32_t)i, scenario->hosts[i].router);
    }
    sim_topology_build(scenario, &network, list, links);
}

void probe_unbuild(void)
{
    uint8_t hash[SIM_TRACE_HASH_SIZE];
    for (size_t i = 0; i < scenario->link_count; i++) {
        CU_ASSERT_TRUE(sim_link_conserves(&links[i]));
        sim_link_fini(&links[i]);
    }
    CU_ASSERT_TRUE(sim_network_conserves(&network, 0));
    CU_ASSERT_EQUAL(network.pool.out, 0);
    for (size_t i = 0; i < scenario->host_count; i++) {
        sim_host_fini(list[i]);
        sim_release(list[i]);
    }
    sim_hosts_fini(&hosts);
    sim_network_fini(&network);
    sim_trace_fini(&trace, hash);
    sim_engine_fini(&engine);
    sim_scenario_free(scenario);
}

struct sim_box *probe_box(const char *name)
{
    for (size_t i = 0; i < scenario->host_count; i++)
        if (strcmp(scenario->hosts[i].name, name) == 0) return &list[i]->box;
    CU_FAIL_FATAL("no such box");
    return NULL;
}

struct qe_addr probe_addr(const char *text)
{
    struct qe_addr addr;
    CU_ASSERT_TRUE_FATAL(qe_addr_parse(text, &addr));
    return addr;
}

// Nothing of a router's may be mistaken for what is under way: it comes up by probe_wait.
static void settle(void)
{
    while (network.pool.out > 0 && sim_engine_step(&engine, UINT64_MAX))
        ;
}

const struct probe_seen *probe_send_bytes(
    const char *from, struct qe_addr source, struct qe_addr destination, const uint8_t *bytes, size_t size)
{
    struct sim_box *box = probe_box(from);
    struct sim_packet *packet = sim_packet_new(&network.pool, bytes, size);
    packet->source = source;
    packet->destination = destination;
    if (!source.ip.family) packet->source.ip = sim_box_source(box, &destination.ip, 0);
    seen.box = NULL;
    sim_box_send(box, packet, 0);
    settle();
    return &seen;
}

const struct probe_seen *probe_send(const char *from, struct qe_addr source, struct qe_addr destination)
{
    return probe_send_bytes(from, source, destination, (const uint8_t *)"probe", 5);
}

const struct probe_seen *probe_from(const char *from, uint16_t port, struct qe_addr destination)
{
    return probe_send(from, (struct qe_addr){.port = port}, destination);
}

uint64_t probe_dropped(enum sim_drop reason)
{
    return network.dropped[reason];
}

void probe_wait(uint64_t ns)
{
    uint64_t end_ns = engine.now_ns + ns;
    while (sim_engine_step(&engine, end_ns))
        ;
    sim_engine_advance(&engine, end_ns);
}

void probe_reboot(const char *router, uint64_t takes_ns)
{
    sim_middlebox_reboot(probe_box(router)->middlebox, takes_ns);
}

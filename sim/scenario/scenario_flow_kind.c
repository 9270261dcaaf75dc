// What a flow of each kind has of its own.
#include "scenario/scenario.h"

#include "engine/memory.h"
#include "pcap/pcap_reader.h"
#include "scenario/units.h"

#include <stdio.h>
#include <string.h>

#define PING_SIZE_DEFAULT     84
#define UDP_SIZE_DEFAULT      1200
#define PING_INTERVAL_DEFAULT UINT64_C(1000000000)
#define BATCH_MAX             64
#define IDLE_DEFAULT          UINT64_C(10000000000)
#define IDLE_MIN              UINT64_C(100000000)
#define REQUEST_DEFAULT       200
#define RESPONSE_DEFAULT      16384
#define INTERVAL_MIN          UINT64_C(10000)
#define EXCHANGE_MAX          UINT64_C(1000000000000)
// A capture of more packets is refused.
#define CAPTURE_PACKETS_MAX (1 << 24)
// Requests and answers begin with their number.
#define NUMBER_SIZE 8
// Source ports of a plain flow.
#define PORTS_MAX 20000

const char *const sim_flow_kind_names[] = {"ping", "udp", "bulk", "request", "pcap", "plain"};

// What a flow of each kind can have, beside what all have.
static const char *const keys_of_kind[][20] = {
    {"interval", "size", "count", "source"},
    {"interval", "rate", "size", "batch", "offload", "count", "source"},
    {"bytes", "idle", "offload"},
    {"interval", "count", "request", "response", "idle", "offload"},
    {"file"},
    {"interval", "rate", "size", "batch", "count", "address", "ports", "answered"},
};

#define KINDS (sizeof(keys_of_kind) / sizeof(keys_of_kind[0]))

static void check_keys(struct sim_parse *p, const struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    static const char *const common[] = {"name", "kind", "from", "to", "ip", "start", "stop"};
    const char *allowed[32] = {NULL};
    char where[40];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        allowed[count++] = common[i];
    for (const char *const *key = keys_of_kind[flow->kind]; *key; key++)
        allowed[count++] = *key;
    snprintf(where, sizeof(where), "a flow of kind \"%s\"", sim_flow_kind_names[flow->kind]);
    sim_reader_only(&p->reader, table, where, allowed);
}

void sim_parse_flow_kind(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    const struct qe_toml_value *kind = sim_reader_need(&p->reader, table, "[[flow]]", "kind", QE_TOML_STRING);
    if (!kind) return;
    const char *text = sim_reader_text(&p->reader, kind, "kind");
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(text, sim_flow_kind_names[i]) == 0) {
            flow->kind = (enum sim_flow_kind)i;
            check_keys(p, flow, table);
            return;
        }
    sim_reader_fail(&p->reader, kind,
        "'kind' is \"%s\"; expected \"ping\", \"udp\", \"bulk\", \"request\", \"pcap\" or \"plain\"", text);
}

// Size, batch and pace fit together.
static void parse_pace(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    const struct qe_toml_value *rate = qe_toml_get(table, "rate");
    uint64_t size_min = flow->family == 6 ? 88 : 68, bits = 0;
    if (!flow->size)
        flow->size = flow->kind == SIM_FLOW_PING ? PING_SIZE_DEFAULT + (flow->family == 6 ? 20 : 0) : UDP_SIZE_DEFAULT;
    if (flow->size < size_min || flow->size > 9000) {
        sim_reader_fail(&p->reader, table, "'size' is %llu; expected %llu to 9000 bytes of IP packet",
            (unsigned long long)flow->size, (unsigned long long)size_min);
    } else if (flow->batch > BATCH_MAX || (flow->offload && flow->batch * flow->size > 65535)) {
        sim_reader_fail(&p->reader, table,
            "'batch' is %llu; expected at most %d packets, and with 'offload' 65535 bytes",
            (unsigned long long)flow->batch, BATCH_MAX);
    } else if (rate && flow->interval_ns) {
        sim_reader_fail(&p->reader, table, "the flow has 'rate' and 'interval'; expected one of them");
    } else if (rate) {
        const char *text = sim_reader_text(&p->reader, rate, "rate");
        if (!p->reader.failed && (!sim_rate_parse(text, &bits) || !bits))
            sim_reader_fail(&p->reader, rate, "'rate' is \"%s\"; expected one such as \"10Mbit/s\"", text);
        else if (bits)
            flow->interval_ns = (uint64_t)((unsigned __int128)flow->size * flow->batch * 8 * 1000000000 / bits);
        if (bits && !flow->interval_ns)
            sim_reader_fail(&p->reader, rate, "'rate' is \"%s\", more than a batch a nanosecond", text);
    }
    if (!p->reader.failed && !flow->interval_ns) {
        if (flow->kind == SIM_FLOW_PING)
            flow->interval_ns = PING_INTERVAL_DEFAULT;
        else
            sim_reader_fail(&p->reader, table, "the flow has no pace; expected 'rate' or 'interval'");
    }
}

// Transfers and requests.
static void parse_exchange(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    const struct qe_toml_value *bytes = qe_toml_get(table, "bytes");
    if (!qe_toml_get(table, "offload")) flow->offload = true;
    if (!qe_toml_get(table, "idle")) flow->idle_ns = IDLE_DEFAULT;
    if (!qe_toml_get(table, "request")) flow->request_bytes = REQUEST_DEFAULT;
    if (!qe_toml_get(table, "response")) flow->response_bytes = RESPONSE_DEFAULT;
    if (!qe_toml_get(table, "interval")) flow->interval_ns = PING_INTERVAL_DEFAULT;
    if (bytes && !flow->bytes)
        sim_reader_fail(&p->reader, bytes, "'bytes' is 0; expected more, or no such key");
    else if (flow->bytes > EXCHANGE_MAX || flow->request_bytes > EXCHANGE_MAX || flow->response_bytes > EXCHANGE_MAX)
        sim_reader_fail(&p->reader, table, "more than 1 TB to be carried");
    else if (flow->request_bytes < NUMBER_SIZE || flow->response_bytes < NUMBER_SIZE)
        sim_reader_fail(&p->reader, table, "'request' or 'response' is below %d bytes", NUMBER_SIZE);
    else if (flow->interval_ns < INTERVAL_MIN)
        sim_reader_fail(&p->reader, table, "'interval' is below 10us");
    else if (flow->idle_ns < IDLE_MIN)
        sim_reader_fail(&p->reader, table, "'idle' is below 100ms");
}

// Every packet within the flow's time must be readable: while the run goes on it is too late to say that one is not.
static void check_capture(struct sim_parse *p, const struct sim_scenario_flow *flow, const struct qe_toml_value *value)
{
    char error[SIM_PCAP_ERROR_SIZE];
    struct sim_pcap_packet packet;
    struct sim_pcap_reader *reader = sim_pcap_open(flow->file, error);
    uint64_t first_ns = 0, count = 0;
    if (!reader) {
        sim_reader_fail(&p->reader, value, "'file': %s", error);
        return;
    }
    enum sim_pcap_result result;
    while ((result = sim_pcap_next(reader, &packet)) == SIM_PCAP_PACKET && count <= CAPTURE_PACKETS_MAX) {
        if (count++ == 0) first_ns = packet.time_ns;
        if (packet.time_ns > first_ns && packet.time_ns - first_ns > flow->stop_ns - flow->start_ns) break;
    }
    if (result == SIM_PCAP_DAMAGED)
        sim_reader_fail(&p->reader, value, "'file': %s", sim_pcap_error(reader));
    else if (count == 0)
        sim_reader_fail(&p->reader, value, "'file': %s: no IP packet; expected at least one", flow->file);
    else if (count > CAPTURE_PACKETS_MAX)
        sim_reader_fail(
            &p->reader, value, "'file': %s: more than %d packets in the flow's time", flow->file, CAPTURE_PACKETS_MAX);
    sim_pcap_close(reader);
}

static void parse_capture(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    char path[SIM_PATH_SIZE];
    const struct qe_toml_value *file = sim_reader_need(&p->reader, table, "[[flow]]", "file", QE_TOML_STRING);
    if (!file || !sim_reader_path(&p->reader, file, "file", path)) return;
    flow->file = sim_copy_text(path);
    check_capture(p, flow, file);
}

static void parse_plain(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    const struct qe_toml_value *address = qe_toml_get(table, "address"), *ports = qe_toml_get(table, "ports");
    flow->ports = 1;
    parse_pace(p, flow, table);
    if (ports && !p->reader.failed) {
        uint64_t count = sim_reader_number(&p->reader, ports, "ports");
        if (!p->reader.failed && (count < 1 || count > PORTS_MAX))
            sim_reader_fail(
                &p->reader, ports, "'ports' is %llu; expected 1 to %d", (unsigned long long)count, PORTS_MAX);
        flow->ports = (uint32_t)count;
    }
    if (!address || p->reader.failed) return;
    const char *text = sim_reader_text(&p->reader, address, "address");
    if (!p->reader.failed && (!qe_addr_parse(text, &flow->address) || flow->address.ip.family != flow->family))
        sim_reader_fail(
            &p->reader, address, "'address' is \"%s\"; expected an IPv%u address with a port", text, flow->family);
}

void sim_parse_flow_own(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    if (!flow->batch) flow->batch = 1;
    switch (flow->kind) {
    case SIM_FLOW_PING:
    case SIM_FLOW_UDP:
        parse_pace(p, flow, table);
        break;
    case SIM_FLOW_BULK:
    case SIM_FLOW_REQUEST:
        parse_exchange(p, flow, table);
        break;
    case SIM_FLOW_CAPTURE:
        parse_capture(p, flow, table);
        break;
    case SIM_FLOW_PLAIN:
        parse_plain(p, flow, table);
        break;
    }
}

#include "look/jsonl.h"

#include "look/describe.h"

#include "base/list.h"

// A literal, with its size known.
#define PUT(out, literal) sim_out_bytes((out), (literal), sizeof(literal) - 1)

// Larger ones are texts of digits: readers of JSON have doubles (RFC 8259 §6).
#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

static void number(struct sim_out *out, const char *key, uint64_t value)
{
    PUT(out, ",\"");
    sim_out_text(out, key);
    PUT(out, "\":");
    if (value > NUMBER_MAX) sim_out_char(out, '"');
    sim_out_number(out, value);
    if (value > NUMBER_MAX) sim_out_char(out, '"');
}

static void string(struct sim_out *out, const char *key, const char *value)
{
    PUT(out, ",\"");
    sim_out_text(out, key);
    PUT(out, "\":");
    sim_out_string(out, value);
}

static void truth(struct sim_out *out, const char *key, bool value)
{
    PUT(out, ",\"");
    sim_out_text(out, key);
    PUT(out, "\":");
    sim_out_text(out, value ? "true" : "false");
}

static void carries(struct sim_out *out, uint64_t classes)
{
    bool first = true;
    PUT(out, ",\"carries\":[");
    for (int i = 0; i < QE_CARRIED_COUNT; i++) {
        if (!(classes >> i & 1)) continue;
        sim_out_text(out, first ? "\"" : ",\"");
        sim_out_text(out, qe_carried_name((enum qe_carried)i));
        PUT(out, "\"");
        first = false;
    }
    PUT(out, "]");
}

static void packet(struct sim_out *out, const struct sim_packet *p)
{
    PUT(out, ",\"number\":");
    sim_out_number(out, p->number);
    PUT(out, ",\"source\":\"");
    sim_out_address(out, &p->source);
    PUT(out, "\",\"destination\":\"");
    sim_out_address(out, &p->destination);
    PUT(out, "\",\"bytes\":");
    sim_out_number(out, p->size);
    PUT(out, ",\"ecn\":");
    sim_out_number(out, p->ecn);
    if (p->kind == SIM_PACKET_TOO_BIG) {
        number(out, "too_big_mtu", p->mtu);
        return;
    }
    PUT(out, ",\"quic\":\"");
    sim_out_text(out, sim_describe_quic(p->bytes, p->size));
    PUT(out, "\"");
    if (p->carried & ~SIM_DESCRIBED) carries(out, p->carried & ~SIM_DESCRIBED);
}

static void inner(struct sim_out *out, const struct sim_trace_item *item)
{
    struct sim_inner_summary summary;
    number(out, "bytes", item->bytes.size);
    if (item->offload->kind != QE_OFFLOAD_NONE) number(out, "segment_bytes", item->offload->segment_size);
    if (!sim_describe_ip(item->bytes, &summary)) return;
    PUT(out, ",\"source\":\"");
    sim_out_ip(out, &summary.source);
    PUT(out, "\",\"destination\":\"");
    sim_out_ip(out, &summary.destination);
    PUT(out, "\",\"protocol\":\"");
    sim_out_text(out, summary.protocol);
    PUT(out, "\"");
    if (!summary.has_ports) return;
    number(out, "source_port", summary.source_port);
    number(out, "destination_port", summary.destination_port);
}

static void tun(struct sim_out *out, const struct sim_trace_item *item)
{
    char text[QE_ADDR_TEXT_SIZE];
    number(out, "mtu", item->mtu);
    PUT(out, ",\"addresses\":[");
    for (size_t i = 0; i < item->address_count; i++) {
        if (i) sim_out_char(out, ',');
        sim_out_string(out, qe_cidr_format(&item->addresses[i], text));
    }
    sim_out_char(out, ']');
}

static void flow(struct sim_out *out, const struct sim_trace_item *item)
{
    string(out, "flow", item->name);
    number(out, "packet", item->a);
    number(out, "latency_ns", item->b);
    number(out, "bytes", item->c);
}

static void sample(struct sim_out *out, const struct sim_sample *s)
{
    string(out, "of", s->of);
    if (s->name) string(out, "name", s->name);
    for (size_t i = 0; i < s->count; i++)
        number(out, s->figures[i].name, s->figures[i].value);
}

static void core(struct sim_out *out, const struct sim_trace_item *item)
{
    string(out, "name", item->name);
    if (item->peer) string(out, "peer", item->peer);
    number(out, "a", item->a);
    number(out, "b", item->b);
}

static void fields(struct sim_out *out, const struct sim_trace_item *item)
{
    switch (item->event) {
    case SIM_TRACE_SENT:
    case SIM_TRACE_TRANSLATED:
        packet(out, item->packet);
        break;
    case SIM_TRACE_RECEIVED:
    case SIM_TRACE_FORWARDED:
        packet(out, item->packet);
        number(out, "interface", item->packet->interface);
        break;
    case SIM_TRACE_DROPPED:
        packet(out, item->packet);
        string(out, "reason", sim_drop_name(item->reason));
        break;
    case SIM_TRACE_TUN_IN:
    case SIM_TRACE_TUN_OUT:
        inner(out, item);
        break;
    case SIM_TRACE_SOCKET_OPEN:
    case SIM_TRACE_SOCKET_CLOSE:
        number(out, "socket", item->socket);
        PUT(out, ",\"address\":\"");
        sim_out_address(out, item->address);
        PUT(out, "\"");
        truth(out, "succeeded", item->ok);
        break;
    case SIM_TRACE_TUN_OPEN:
        tun(out, item);
        break;
    case SIM_TRACE_STORE:
        string(out, "key", item->name);
        number(out, "bytes", item->bytes.size);
        break;
    case SIM_TRACE_ERASE:
        string(out, "key", item->name);
        break;
    case SIM_TRACE_LINK:
        number(out, "interface", item->socket);
        string(out, "name", item->name);
        truth(out, "up", item->ok);
        break;
    case SIM_TRACE_ROUTER:
        truth(out, "up", item->ok);
        break;
    case SIM_TRACE_CORE:
        core(out, item);
        break;
    case SIM_TRACE_LOG:
        string(out, "level", item->name);
        string(out, "text", item->text);
        break;
    case SIM_TRACE_NOTE:
        string(out, "text", item->text);
        break;
    case SIM_TRACE_FLOW:
        flow(out, item);
        break;
    case SIM_TRACE_SAMPLE:
        sample(out, item->sample);
        break;
    default:
        break;
    }
}

static void begin(struct sim_out *out, uint64_t now_ns, const char *host, const char *event)
{
    PUT(out, "{\"time_ns\":");
    sim_out_number(out, now_ns);
    PUT(out, ",\"host\":");
    sim_out_string(out, host);
    PUT(out, ",\"event\":\"");
    sim_out_text(out, event);
    sim_out_char(out, '"');
}

static void see(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item)
{
    struct sim_jsonl *jsonl = qe_container(sink, struct sim_jsonl, sink);
    if (!sim_filter_match(jsonl->filter, now_ns, item)) return;
    const char *event = item->event == SIM_TRACE_STOP && item->ok ? "crash" : sim_trace_event_name(item->event);
    begin(&jsonl->out, now_ns, item->who.name, event);
    fields(&jsonl->out, item);
    PUT(&jsonl->out, "}\n");
}

#define UNSEEN                                                                                                         \
    (SIM_TRACE_BIT(SIM_TRACE_LEFT) | SIM_TRACE_BIT(SIM_TRACE_ARRIVED) | SIM_TRACE_BIT(SIM_TRACE_KEYLOG) |              \
        SIM_TRACE_BIT(SIM_TRACE_QLOG))

void sim_jsonl_init(
    struct sim_jsonl *jsonl, FILE *file, const struct sim_filter *filter, const struct sim_jsonl_run *run)
{
    struct sim_out *out = &jsonl->out;
    jsonl->sink = (struct sim_sink){.wants = filter->wants & ~UNSEEN, .see = see};
    jsonl->filter = filter;
    sim_out_init(out, file);
    begin(out, 0, "", "run");
    number(out, "format", SIM_JSONL_FORMAT);
    string(out, "scenario", run->scenario);
    number(out, "seed", run->seed);
    number(out, "duration_ns", run->duration_ns);
    string(out, "version", run->version);
    if (run->commit) string(out, "commit", run->commit);
    PUT(out, "}\n");
}

void sim_jsonl_end(struct sim_jsonl *jsonl, uint64_t now_ns, const char *verdict, const char *trace_hash)
{
    begin(&jsonl->out, now_ns, "", "end");
    string(&jsonl->out, "verdict", verdict);
    string(&jsonl->out, "trace_hash", trace_hash);
    PUT(&jsonl->out, "}\n");
}

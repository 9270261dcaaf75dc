#include "look/readable.h"

#include "look/describe.h"

#include "base/list.h"

static void say_number(struct sim_out *out, const char *before, uint64_t number)
{
    sim_out_text(out, before);
    sim_out_number(out, number);
}

static void say_packet(struct sim_out *out, const struct sim_packet *packet)
{
    say_number(out, " #", packet->number);
    sim_out_char(out, ' ');
    sim_out_address(out, &packet->source);
    sim_out_text(out, " > ");
    sim_out_address(out, &packet->destination);
    say_number(out, " ", packet->size);
    sim_out_text(out, " B ");
    if (packet->kind == SIM_PACKET_TOO_BIG)
        say_number(out, "icmp too big, mtu ", packet->mtu);
    else
        sim_out_text(out, sim_describe_quic(packet->bytes, packet->size));
    for (int i = 0; packet->carried & ~SIM_DESCRIBED && i < QE_CARRIED_COUNT; i++) {
        if (!(packet->carried & ~SIM_DESCRIBED & UINT64_C(1) << i)) continue;
        sim_out_text(out, " +");
        sim_out_text(out, qe_carried_name((enum qe_carried)i));
    }
    if (packet->ecn) say_number(out, " ecn ", packet->ecn);
}

static void say_end(struct sim_out *out, const struct qe_ip *ip, bool has_port, uint16_t port)
{
    if (has_port) {
        sim_out_address(out, &(struct qe_addr){.ip = *ip, .port = port});
    } else {
        sim_out_ip(out, ip);
    }
}

static void say_inner(struct sim_out *out, const struct sim_trace_item *item)
{
    struct sim_inner_summary inner;
    if (sim_describe_ip(item->bytes, &inner)) {
        sim_out_char(out, ' ');
        say_end(out, &inner.source, inner.has_ports, inner.source_port);
        sim_out_text(out, " > ");
        say_end(out, &inner.destination, inner.has_ports, inner.destination_port);
        sim_out_char(out, ' ');
        sim_out_text(out, inner.protocol);
    }
    say_number(out, " ", item->bytes.size);
    sim_out_text(out, " B");
    if (item->offload->kind == QE_OFFLOAD_NONE) return;
    say_number(out, " in segments of ", item->offload->segment_size);
    sim_out_text(out, " B");
}

static void say_sample(struct sim_out *out, const struct sim_sample *sample)
{
    sim_out_char(out, ' ');
    sim_out_text(out, sample->of);
    if (sample->name) {
        sim_out_char(out, ' ');
        sim_out_text(out, sample->name);
    }
    for (size_t i = 0; i < sample->count; i++) {
        sim_out_char(out, ' ');
        sim_out_text(out, sample->figures[i].name);
        say_number(out, "=", sample->figures[i].value);
    }
}

static void say_word(struct sim_out *out, const char *word)
{
    sim_out_char(out, ' ');
    sim_out_text(out, word);
}

static void say_core(struct sim_out *out, const struct sim_trace_item *item)
{
    say_word(out, item->name);
    say_word(out, item->peer ? item->peer : "-");
    say_number(out, " ", item->a);
    say_number(out, " ", item->b);
}

static void say_tun(struct sim_out *out, const struct sim_trace_item *item)
{
    char text[QE_ADDR_TEXT_SIZE];
    say_number(out, " mtu ", item->mtu);
    for (size_t i = 0; i < item->address_count; i++)
        say_word(out, qe_cidr_format(&item->addresses[i], text));
}

static void say_rest(struct sim_out *out, const struct sim_trace_item *item)
{
    switch (item->event) {
    case SIM_TRACE_TUN_OPEN:
        say_tun(out, item);
        break;
    case SIM_TRACE_STORE:
        say_word(out, item->name);
        say_number(out, " ", item->bytes.size);
        sim_out_text(out, " B");
        break;
    case SIM_TRACE_ERASE:
        say_word(out, item->name);
        break;
    case SIM_TRACE_LINK:
        say_word(out, item->name);
        say_word(out, item->ok ? "up" : "down");
        break;
    case SIM_TRACE_ROUTER:
        say_word(out, item->ok ? "up" : "down");
        break;
    case SIM_TRACE_CORE:
        say_core(out, item);
        break;
    case SIM_TRACE_LOG:
        say_word(out, item->name);
        sim_out_text(out, ": ");
        sim_out_text(out, item->text);
        break;
    case SIM_TRACE_NOTE:
        say_word(out, item->text);
        break;
    case SIM_TRACE_FLOW:
        say_word(out, item->name);
        say_number(out, " packet ", item->a);
        sim_out_text(out, " after ");
        sim_out_time(out, item->b);
        sim_out_text(out, " s");
        break;
    case SIM_TRACE_SAMPLE:
        say_sample(out, item->sample);
        break;
    default:
        break;
    }
}

static void see(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item)
{
    struct sim_readable *readable = qe_container(sink, struct sim_readable, sink);
    struct sim_out *out = &readable->out;
    if (!sim_filter_match(readable->filter, now_ns, item)) return;
    sim_out_time(out, now_ns);
    say_word(out, item->who.name);
    say_word(out, item->event == SIM_TRACE_STOP && item->ok ? "crash" : sim_trace_event_name(item->event));
    switch (item->event) {
    case SIM_TRACE_SENT:
    case SIM_TRACE_RECEIVED:
    case SIM_TRACE_FORWARDED:
    case SIM_TRACE_TRANSLATED:
        say_packet(out, item->packet);
        break;
    case SIM_TRACE_DROPPED:
        say_packet(out, item->packet);
        say_word(out, sim_drop_name(item->reason));
        break;
    case SIM_TRACE_TUN_IN:
    case SIM_TRACE_TUN_OUT:
        say_inner(out, item);
        break;
    case SIM_TRACE_SOCKET_OPEN:
    case SIM_TRACE_SOCKET_CLOSE:
        say_number(out, " ", item->socket);
        sim_out_char(out, ' ');
        sim_out_address(out, item->address);
        if (!item->ok) sim_out_text(out, " refused");
        break;
    default:
        say_rest(out, item);
        break;
    }
    sim_out_char(out, '\n');
}

// An interface's view of a datagram says little beside what its host did with it, and secrets have files of their own.
#define UNSEEN                                                                                                         \
    (SIM_TRACE_BIT(SIM_TRACE_LEFT) | SIM_TRACE_BIT(SIM_TRACE_ARRIVED) | SIM_TRACE_BIT(SIM_TRACE_KEYLOG) |              \
        SIM_TRACE_BIT(SIM_TRACE_QLOG))

void sim_readable_init(struct sim_readable *readable, FILE *file, const struct sim_filter *filter)
{
    readable->sink = (struct sim_sink){.wants = filter->wants & ~UNSEEN, .see = see};
    readable->filter = filter;
    sim_out_init(&readable->out, file);
}

#include "traffic/probe.h"

#include "traffic/inner.h"

#include <assert.h>
#include <string.h>

enum { IP4 = 20, IP6 = 40, OPTIONS = 8, ICMP = 8, MARK = 24 };
enum { NEXT_OPTIONS = 60, NEXT_ICMPV6 = 58 };
// AF11 and ECT(0).
#define CLASS 0x2a

static const uint8_t mark[8] = {'q', 'e', 'p', 'r', 'o', 'b', 'e', '1'};

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void write_mark(const struct sim_probe *probe, uint8_t *out, size_t size)
{
    memcpy(out, mark, sizeof(mark));
    qe_store32(out + 8, probe->from);
    qe_store32(out + 12, probe->to);
    qe_store64(out + 16, probe->number);
    for (size_t i = MARK; i < size; i++)
        out[i] = (uint8_t)(i * 37 + probe->number);
}

static void write4(const struct sim_probe *probe, uint8_t *out, size_t size)
{
    uint8_t *icmp = out + IP4;
    memset(out, 0, IP4 + ICMP);
    out[0] = 0x45;
    out[1] = CLASS;
    qe_store16(out + 2, (uint16_t)size);
    qe_store16(out + 6, 0x4000); // do not fragment
    out[8] = 64;
    out[9] = 1;
    memcpy(out + 12, probe->source.bytes, 4);
    memcpy(out + 16, probe->destination.bytes, 4);
    qe_store16(out + 10, fold(sim_inner_sum(out, IP4)));
    write_mark(probe, icmp + ICMP, size - IP4 - ICMP);
    qe_store16(icmp + 2, fold(sim_inner_sum(icmp, size - IP4)));
}

static void write6(const struct sim_probe *probe, uint8_t *out, size_t size)
{
    uint8_t *options = out + IP6, *icmp = options + OPTIONS;
    size_t icmp_size = size - IP6 - OPTIONS;
    memset(out, 0, IP6 + OPTIONS + ICMP);
    qe_store16(out, 0x6000 | CLASS << 4);
    qe_store16(out + 4, (uint16_t)(size - IP6));
    out[6] = NEXT_OPTIONS;
    out[7] = 64;
    memcpy(out + 8, probe->source.bytes, 16);
    memcpy(out + 24, probe->destination.bytes, 16);
    options[0] = NEXT_ICMPV6;
    options[2] = 1; // PadN, four bytes (RFC 8200 §4.2)
    options[3] = 4;
    icmp[0] = 129;
    write_mark(probe, icmp + ICMP, icmp_size - ICMP);
    uint32_t sum = sim_inner_sum(out + 8, 32) + (uint32_t)icmp_size + NEXT_ICMPV6;
    qe_store16(icmp + 2, fold(sum + sim_inner_sum(icmp, icmp_size)));
}

void sim_probe_write(const struct sim_probe *probe, uint8_t *out, size_t size)
{
    assert(size >= SIM_PROBE_SIZE_MIN && size <= SIM_PROBE_SIZE_MAX);
    if (probe->source.family == 6)
        write6(probe, out, size);
    else
        write4(probe, out, size);
}

bool sim_probe_read(struct qe_span packet, struct sim_probe *probe)
{
    if (packet.size < SIM_PROBE_SIZE_MIN) return false;
    const uint8_t *p = packet.data;
    bool six = p[0] >> 4 == 6;
    const uint8_t *at = p + (six ? IP6 + OPTIONS : IP4) + ICMP;
    if (memcmp(at, mark, sizeof(mark)) != 0) return false;
    probe->source = six ? qe_ip6(p + 8) : qe_ip4(p[12], p[13], p[14], p[15]);
    probe->destination = six ? qe_ip6(p + 24) : qe_ip4(p[16], p[17], p[18], p[19]);
    probe->from = qe_load32(at + 8);
    probe->to = qe_load32(at + 12);
    probe->number = qe_load64(at + 16);
    return true;
}
